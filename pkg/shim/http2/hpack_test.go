package http2

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// fields makes a header of names and values in turn.
func fields(s ...string) (h message.Header) {
	for i := 0; i < len(s); i += 2 {
		h.Add(s[i], s[i+1])
	}
	return h
}

// TestExamples is RFC 7541, appendix C.3 and C.4: three requests, plain and
// with Huffman codes, on one connection each.
func TestExamples(t *testing.T) {
	want := []message.Header{
		fields(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"),
		fields(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com", "cache-control", "no-cache"),
		fields(":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com", "custom-key", "custom-value"),
	}
	for _, blocks := range [][]string{
		{"828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"},
		{"828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"},
	} {
		d := newDecoder()
		for i, b := range blocks {
			block, err := hex.DecodeString(b)
			if err != nil {
				t.Fatal(err)
			}
			got, fits, err := d.decode(nil, block, 1<<20)
			if err != nil || !fits || !reflect.DeepEqual(got, want[i]) {
				t.Errorf("%v, %v: %v", err, fits, got)
			}
		}
		if d.table.size != 164 || d.table.count != 3 { // C.3.3
			t.Errorf("the table has %d entries of %d bytes", d.table.count, d.table.size)
		}
	}
}

// TestEviction is RFC 7541, appendix C.5: a table of 256 bytes that is full.
func TestEviction(t *testing.T) {
	d := newDecoder()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(256)
	for i := range 1000 {
		b.Reset()
		want := fields("x", fmt.Sprint(i%7), strings.Repeat("n", i%40+1), strings.Repeat("v", i%200), "y", "")
		for _, f := range want {
			_ = e.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value})
		}
		got, _, err := d.decode(nil, b.Bytes(), 1<<20)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v: %v, want %v", err, got, want)
		}
		if d.table.size > 256 {
			t.Fatalf("%d bytes", d.table.size)
		}
	}
}

// TestHuffman decodes all symbols, alone and together.
func TestHuffman(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
		got, err := appendHuffman(nil, hpack.AppendHuffmanString(nil, string(all[i:i+1])))
		if err != nil || !bytes.Equal(got, all[i:i+1]) {
			t.Errorf("%d: %v %v", i, got, err)
		}
	}
	for range 2000 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		part := all[:rand.IntN(len(all)+1)]
		got, err := appendHuffman(nil, hpack.AppendHuffmanString(nil, string(part)))
		if err != nil || !bytes.Equal(got, part) {
			t.Fatalf("%q: %q %v", part, got, err)
		}
	}
	for _, wrong := range []string{"\x00\x00\x00\x00", "\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xfc", "\x1f\xff", "\x18"} {
		if got, err := appendHuffman(nil, []byte(wrong)); err == nil {
			t.Errorf("%x: %q", wrong, got)
		}
	}
}

func TestLimit(t *testing.T) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range []hpack.HeaderField{{Name: "a", Value: strings.Repeat("x", 1000)}, {Name: "b", Value: "c"}} {
		_ = e.WriteField(f)
	}
	d := newDecoder()
	if _, fits, err := d.decode(nil, b.Bytes(), 1033); err != nil || fits {
		t.Errorf("%v %v", fits, err)
	}
	// The table is in step all the same.
	b.Reset()
	_ = e.WriteField(hpack.HeaderField{Name: "b", Value: "c"})
	if h, fits, err := d.decode(nil, b.Bytes(), 1034); err != nil || !fits || h.Get("b") != "c" {
		t.Errorf("%v %v %v", h, fits, err)
	}
	// Many references to one large entry cost no memory.
	b.Reset()
	_ = e.WriteField(hpack.HeaderField{Name: "big", Value: strings.Repeat("x", 3000)})
	bomb := append(b.Bytes(), bytes.Repeat([]byte{0x80 | 62}, 1<<20)...)
	if _, fits, err := d.decode(nil, bomb, 1<<20); err != nil || fits || cap(d.spans) > 256 {
		t.Errorf("%v %v, room for %d", fits, err, cap(d.spans))
	}
}

// TestEncoder reads back with another decoder what ours encodes.
func TestEncoder(t *testing.T) {
	block := appendStatus([]byte{noTable}, 200)
	block = appendStatus(block, 299)
	block = appendField(block, "Content-Type", "text/plain")
	block = appendField(block, "X-Long", strings.Repeat("ab", 10_000))
	block = appendField(block, "x-empty", "")
	got, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
	want := []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: ":status", Value: "299"}, {Name: "content-type", Value: "text/plain"},
		{Name: "x-long", Value: strings.Repeat("ab", 10_000)}, {Name: "x-empty", Value: ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", err, got)
	}
}

// FuzzDecoder compares with another decoder, two blocks on one connection.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"828684410f7777772e6578616d706c652e636f6d", "828684418cf1e3c2e5f23a6ba0ab90f4ff", "203fe11f82be", "400161016240016101627e7f",
		"0f00000f0f0f0f0f", "ff80808080808001", "4082ffff00", "10000000",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		ours, theirs := newDecoder(), hpack.NewDecoder(tableSize, nil)
		for _, block := range [][]byte{one, two} {
			got, fits, err := ours.decode(nil, block, 1<<20)
			want, wantErr := theirs.DecodeFull(block)
			if (err == nil) != (wantErr == nil) {
				if wantErr == nil && (errors.Is(err, errInteger) || errors.Is(err, errUpdate)) {
					return // we are stricter
				}
				t.Fatalf("%x: %v, the other says %v", block, err, wantErr)
			}
			if err != nil || !fits {
				return
			}
			if len(got) != len(want) {
				t.Fatalf("%x: %v, want %v", block, got, want)
			}
			for i := range got {
				if got[i].Name != want[i].Name || got[i].Value != want[i].Value {
					t.Fatalf("%x: %v, want %v", block, got, want)
				}
			}
		}
	})
}
