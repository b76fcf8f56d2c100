package once

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// contentType says what an answer is. Where it is only the beginning (not
// whole), a brace or bracket at its start counts as JSON, and a character that
// is cut at its end as UTF-8.
func contentType(data []byte, whole bool) string {
	end := len(data)
	if !whole {
		end = lastRune(data)
	}
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case !utf8.Valid(data[:end]):
		return "application/octet-stream"
	case len(text) > 0 && (text[0] == '{' || text[0] == '[') && (!whole || json.Valid(data)):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// lastRune is where the last character of data begins.
func lastRune(data []byte) int {
	for i := len(data) - 1; i >= 0 && i >= len(data)-utf8.UTFMax; i-- {
		if utf8.RuneStart(data[i]) {
			if utf8.FullRune(data[i:]) {
				return len(data)
			}
			return i
		}
	}
	return len(data)
}
