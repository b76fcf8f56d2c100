package lock

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// comment is what the first line of every lock says.
const comment = "made by `imgbuild lock`; do not edit: `imgbuild lock NAME --update` resolves anew"

// Marshal returns the file of the lock: the same lock always gives the same
// bytes. Comment, Schema and Sum are set by it. The inputs of a layer have a
// line each, and other fields share lines, so that a diff shows what moved and
// little else.
func (l *Lock) Marshal() ([]byte, error) {
	out := *l
	out.Comment, out.Schema, out.Sum = comment, Schema, ""
	var b bytes.Buffer
	if err := writeValue(&b, reflect.ValueOf(out), 0); err != nil {
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	b.WriteByte('\n')
	data := b.Bytes()
	if !bytes.HasSuffix(data, []byte(emptySum)) {
		return nil, fmt.Errorf("writing the lock: the sum is not its last field")
	}
	l.Comment, l.Schema, l.Sum = out.Comment, out.Schema, sumOf(data)
	return append(data[:len(data)-len(emptySum)], []byte(sumPrefix+l.Sum+sumEnd)...), nil
}

// How a lock ends: the sum is over the file with the empty one.
const (
	sumPrefix = "\n  \"sum\": \""
	sumEnd    = "\"\n}\n"
	emptySum  = sumPrefix + sumEnd
)

func sumOf(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

// writeValue writes v as JSON. Structs at depth 0 have a field a line; deeper
// ones have their plain fields on lines of at most lineWidth characters.
func writeValue(b *bytes.Buffer, v reflect.Value, depth int) error {
	indent := strings.Repeat("  ", depth+1)
	switch v.Kind() {
	case reflect.Struct:
		b.WriteByte('{')
		width, first := 0, true
		for i := range v.NumField() {
			name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			f := v.Field(i)
			if options == "omitempty" && (f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0) {
				continue
			}
			var field bytes.Buffer
			fmt.Fprintf(&field, "%q: ", name)
			var err error
			if names, ok := f.Interface().([]string); ok && name != "inputs" {
				err = writeNames(&field, names)
			} else {
				err = writeValue(&field, f, depth+1)
			}
			if err != nil {
				return err
			}
			switch {
			case first:
			case depth > 0 && width+field.Len() < lineWidth && f.Kind() != reflect.Slice:
				b.WriteString(", ")
				width += field.Len()
				b.Write(field.Bytes())
				continue
			default:
				b.WriteByte(',')
			}
			b.WriteString("\n" + indent)
			b.Write(field.Bytes())
			width, first = field.Len(), false
			if f.Kind() == reflect.Slice {
				width = lineWidth
			}
		}
		b.WriteString("\n" + indent[2:] + "}")
	case reflect.Slice:
		if v.Len() == 0 {
			b.WriteString("[]")
			return nil
		}
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n" + indent)
			if err := writeValue(b, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		b.WriteString("\n" + indent[2:] + "]")
	default:
		return writePlain(b, v.Interface())
	}
	return nil
}

// writeNames writes a short list on one line.
func writeNames(b *bytes.Buffer, names []string) error {
	b.WriteByte('[')
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := writePlain(b, name); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func writePlain(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline of Encode
	return nil
}

const lineWidth = 110
