package http2

import "errors"

// huffmanLengths is the length in bits of each symbol's code (RFC 7541,
// appendix B); the last is EOS. The code is canonical, so that the lengths say
// it all: codes of one length count up in the order of their symbols, and
// longer ones follow.
var huffmanLengths = [257]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

const (
	huffmanEOS = 256
	// huffmanShort is the length up to which one look in a table decodes.
	huffmanShort = 8
)

// huffman is what huffmanLengths say, in the form that decoding needs.
var huffman = newHuffman()

type huffmanCode struct {
	// short has for the next 8 bits the symbol that they begin with, and its
	// length, 0 where its code is longer.
	short [1 << huffmanShort]struct{ symbol, length uint8 }
	// long has the codes of more than 8 bits by length.
	long []huffmanRun
	// symbols are in the order of their codes.
	symbols [257]uint16
}

// huffmanRun is all codes of one length.
type huffmanRun struct {
	length uint8
	first  uint32 // the first code
	end    uint32 // the one after the last code, as the first of 32 bits
	index  int    // of the first code's symbol in symbols
}

func newHuffman() *huffmanCode {
	h := new(huffmanCode)
	code, n := uint32(0), 0
	for length := uint8(1); length <= 30; length++ {
		run := huffmanRun{length: length, first: code, index: n}
		for symbol, l := range huffmanLengths {
			if l != length {
				continue
			}
			if length <= huffmanShort {
				at := code << (huffmanShort - length)
				for i := range uint32(1) << (huffmanShort - length) {
					h.short[at+i].symbol, h.short[at+i].length = uint8(symbol), length
				}
			}
			h.symbols[n] = uint16(symbol)
			n++
			code++
		}
		if length > huffmanShort && n > run.index {
			run.end = code << (32 - length) // 0 after the very last
			h.long = append(h.long, run)
		}
		code <<= 1
	}
	return h
}

var errHuffman = errors.New("wrong Huffman code")

// appendHuffman appends what s decodes to (RFC 7541, section 5.2).
func appendHuffman(dst, s []byte) ([]byte, error) {
	var bits uint64 // the next ones are the topmost
	n := 0          // so many of them are of s
	for {
		for n <= 56 && len(s) > 0 {
			bits |= uint64(s[0]) << (56 - n)
			n += 8
			s = s[1:]
		}
		e := huffman.short[bits>>(64-huffmanShort)]
		if e.length > 0 && int(e.length) <= n {
			dst = append(dst, e.symbol)
			bits <<= e.length
			n -= int(e.length)
			continue
		}
		if n < 8 && bits == ^(^uint64(0)>>n) {
			return dst, nil // what is left is padding: the first bits of EOS
		}
		if e.length > 0 {
			return dst, errHuffman // it ends within a short code
		}
		symbol, length := huffman.longest(uint32(bits >> 32))
		if int(length) > n || symbol == huffmanEOS {
			return dst, errHuffman
		}
		dst = append(dst, uint8(symbol))
		bits <<= length
		n -= int(length)
	}
}

// longest decodes a code of more than 8 bits.
func (h *huffmanCode) longest(bits uint32) (symbol uint16, length uint8) {
	for _, run := range h.long {
		if bits < run.end || run.end == 0 {
			return h.symbols[run.index+int(bits>>(32-run.length)-run.first)], run.length
		}
	}
	return huffmanEOS, 30
}
