package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth limits how deep signed JSON is nested.
const maxDepth = 200

// Unmarshal is json.Unmarshal for what is signed. A name that is twice in an
// object is refused, for readers differ on which of the two counts; on the
// outermost level also where the two differ in capital letters only, since
// Go's reader takes either for the same.
func Unmarshal(data []byte, v any) error {
	if err := distinct(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// distinct refuses an object with a name twice, and anything behind the value.
func distinct(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var open []map[string]bool // names so far, nil for arrays
	name := false              // the next token is a name
	for {
		t, err := dec.Token()
		switch {
		case err == io.EOF && len(open) == 0:
			return errors.New("there is no JSON")
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		switch text, isText := t.(string); {
		case name && isText:
			names := open[len(open)-1]
			if len(open) == 1 {
				text = strings.ToLower(strings.ToUpper(text)) // ſ is s to Go, too
			}
			if names[text] {
				return fmt.Errorf("the name %q is twice in an object", shown(text))
			}
			names[text] = true
			name = false
			continue
		case t == json.Delim('{'):
			open = append(open, map[string]bool{})
		case t == json.Delim('['):
			open = append(open, nil)
		case t == json.Delim('}'), t == json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) > maxDepth {
			return fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		if len(open) == 0 {
			if _, err := dec.Token(); err != io.EOF {
				return errors.New("there is something behind the JSON")
			}
			return nil
		}
		name = open[len(open)-1] != nil
	}
}
