package http2

import (
	"errors"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// tableSize is the size of the dynamic table that we decode with, the default
// of SETTINGS_HEADER_TABLE_SIZE.
const tableSize = 4096

// decoder decodes header blocks (RFC 7541, section 3). All blocks of a
// connection must pass through it in order.
type decoder struct {
	table   table
	literal []byte // the literals of one block, one after the other
	spans   []span // names and values of one block in turn
}

// span is a name or a value: a string of a table, or n bytes of literal.
type span struct {
	s     string
	at, n int
}

func newDecoder() *decoder { return &decoder{table: table{limit: tableSize}} }

var (
	errBlock   = errors.New("wrong header block")
	errInteger = errors.New("an integer of more than 32 bits in a header block")
	errUpdate  = errors.New("a wrong update of the table's size in a header block")
)

// decode appends the fields of a block to h. Where they count for more than
// limit bytes, it returns fits false and only part of them, but still keeps
// the table in step. An error must end the connection.
func (d *decoder) decode(h message.Header, block []byte, limit int) (fields message.Header, fits bool, err error) {
	d.literal, d.spans = d.literal[:0], d.spans[:0]
	defer d.shrink()
	size, updates := 0, 0
	for len(block) > 0 {
		var name, value span
		switch b := block[0]; {
		case b&0x80 != 0: // indexed field (6.1)
			var f message.Field
			if f, block, err = d.indexed(block, 7); err != nil {
				return h, false, err
			}
			name, value = span{s: f.Name}, span{s: f.Value}
		case b&0xe0 == 0x20: // size update (6.3), only where a block begins
			if updates++; updates > 2 || size > 0 { // the smallest and then the last (4.2)
				return h, false, errUpdate
			}
			if block, err = d.resize(block); err != nil {
				return h, false, err
			}
			continue
		default: // literal: with incremental indexing (6.2.1), without (6.2.2), never indexed (6.2.3)
			prefix, keep := 4, b&0x40 != 0
			if keep {
				prefix = 6
			}
			if name, value, block, err = d.literalField(block, prefix); err != nil {
				return h, false, err
			}
			if keep {
				name, value = d.insert(name, value)
			}
		}
		if size += len(name.s) + name.n + len(value.s) + value.n + entryOverhead; size <= limit {
			d.spans = append(d.spans, name, value)
		} else {
			d.literal = d.literal[:0]
		}
	}
	if size > limit {
		return h, false, nil
	}
	return d.collect(h), true, nil
}

// collect makes fields of what was decoded. All literals share one string.
func (d *decoder) collect(h message.Header) message.Header {
	all := string(d.literal)
	text := func(s span) string {
		if s.n > 0 {
			return all[s.at : s.at+s.n]
		}
		return s.s
	}
	if h == nil {
		h = make(message.Header, 0, len(d.spans)/2)
	}
	for i := 0; i < len(d.spans); i += 2 {
		h = append(h, message.Field{Name: text(d.spans[i]), Value: text(d.spans[i+1])})
	}
	return h
}

// resize takes a size update, which may not exceed what we announced.
func (d *decoder) resize(block []byte) ([]byte, error) {
	n, rest, err := readInteger(block, 5)
	if err != nil {
		return nil, err
	}
	if n > tableSize {
		return nil, errUpdate
	}
	d.table.setLimit(int(n))
	return rest, nil
}

// shrink lets the memory of a large block go.
func (d *decoder) shrink() {
	if cap(d.literal) > 4*tableSize {
		d.literal = nil
	}
	if cap(d.spans) > 256 {
		d.spans = nil
	}
}

func (d *decoder) indexed(block []byte, prefix int) (message.Field, []byte, error) {
	index, rest, err := readInteger(block, prefix)
	if err != nil {
		return message.Field{}, nil, err
	}
	f, ok := d.table.at(index)
	if !ok {
		return f, nil, errBlock
	}
	return f, rest, nil
}

func (d *decoder) literalField(block []byte, prefix int) (name, value span, rest []byte, err error) {
	if block[0]&(1<<prefix-1) == 0 {
		if name, rest, err = d.readString(block[1:]); err != nil {
			return
		}
	} else {
		var f message.Field
		if f, rest, err = d.indexed(block, prefix); err != nil {
			return
		}
		name.s = f.Name
	}
	value, rest, err = d.readString(rest)
	return
}

// insert puts a field into the table. Its strings become its own: a part of
// the request's would keep the whole of that alive.
func (d *decoder) insert(name, value span) (span, span) {
	own := func(s span) span {
		if s.n > 0 {
			return span{s: string(d.literal[s.at : s.at+s.n])}
		}
		return s
	}
	from := len(d.literal) - name.n - value.n
	name, value = own(name), own(value)
	d.literal = d.literal[:from]
	d.table.add(message.Field{Name: name.s, Value: value.s})
	return name, value
}

// readString decodes a string literal (RFC 7541, section 5.2).
func (d *decoder) readString(b []byte) (span, []byte, error) {
	if len(b) == 0 {
		return span{}, nil, errBlock
	}
	coded := b[0]&0x80 != 0
	n, b, err := readInteger(b, 7)
	if err != nil {
		return span{}, nil, err
	}
	if n > uint64(len(b)) {
		return span{}, nil, errBlock
	}
	at := len(d.literal)
	if !coded {
		d.literal = append(d.literal, b[:n]...)
	} else if d.literal, err = appendHuffman(d.literal, b[:n]); err != nil {
		return span{}, nil, err
	}
	return span{at: at, n: len(d.literal) - at}, b[n:], nil
}

// readInteger decodes an integer with a prefix of that many bits (RFC 7541,
// section 5.1). It refuses what has more than 32 bits.
func readInteger(b []byte, prefix int) (uint64, []byte, error) {
	if len(b) == 0 {
		return 0, nil, errBlock
	}
	most := uint64(1)<<prefix - 1
	n := uint64(b[0]) & most
	b = b[1:]
	if n < most {
		return n, b, nil
	}
	for shift := 0; len(b) > 0 && shift <= 28; shift += 7 {
		n += uint64(b[0]&0x7f) << shift
		more := b[0]&0x80 != 0
		if b = b[1:]; !more {
			return n, b, nil
		}
	}
	if len(b) > 0 {
		return 0, nil, errInteger
	}
	return 0, nil, errBlock
}
