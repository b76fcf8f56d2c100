package effect

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf16"
)

// certificate is as much of an X.509 certificate (RFC 5280, 4.1) as leads to
// its subject. crypto/x509 is stricter than OpenSSL is and refuses some old
// roots, such as those with a negative serial number.
type certificate struct {
	TBS struct {
		Version   int `asn1:"optional,explicit,default:0,tag:0"`
		Serial    asn1.RawValue
		Algorithm asn1.RawValue
		Issuer    asn1.RawValue
		Validity  asn1.RawValue
		Subject   asn1.RawValue
	}
}

// attribute is an AttributeTypeAndValue.
type attribute struct {
	Type  asn1.RawValue
	Value asn1.RawValue
}

// subjectHash returns what `openssl x509 -subject_hash` prints: the first four
// bytes, little-endian, of the SHA-1 of the subject's canonical encoding
// (X509_NAME_hash_ex in crypto/x509/x509_cmp.c).
func subjectHash(der []byte) (string, error) {
	var c certificate
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return "", fmt.Errorf("reading the certificate: %w", err)
	}
	name, err := canonicalName(c.TBS.Subject.FullBytes)
	if err != nil {
		return "", fmt.Errorf("reading the certificate's subject: %w", err)
	}
	sum := sha1.Sum(name)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

// canonicalName is OpenSSL's canonical encoding of a name (x509_name_canon in
// crypto/x509/x_name.c): the sets one after the other, without the sequence
// around them, and in each the text folded (canonicalText).
func canonicalName(der []byte) ([]byte, error) {
	var sets []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &sets); err != nil {
		return nil, err
	}
	var out []byte
	for _, s := range sets {
		var members [][]byte
		for rest := s.Bytes; len(rest) > 0; {
			var a attribute
			var err error
			if rest, err = asn1.Unmarshal(rest, &a); err != nil {
				return nil, err
			}
			if text, ok := textOf(a.Value); ok {
				a.Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: canonicalText(text)}
			}
			m, err := asn1.Marshal(a)
			if err != nil {
				return nil, err
			}
			members = append(members, m)
		}
		slices.SortFunc(members, bytes.Compare) // DER's order of a SET OF
		set, err := asn1.Marshal(asn1.RawValue{
			Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(members, nil),
		})
		if err != nil {
			return nil, err
		}
		out = append(out, set...)
	}
	return out, nil
}

const (
	tagT61String       = 20
	tagVisibleString   = 26
	tagUniversalString = 28
)

// textOf returns the text of a string value in UTF-8; ok is false for types
// that OpenSSL leaves as they are (outside ASN1_MASK_CANON).
func textOf(v asn1.RawValue) (text []byte, ok bool) {
	if v.Class != asn1.ClassUniversal {
		return nil, false
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString:
		return v.Bytes, true
	case tagT61String: // taken for Latin-1
		r := make([]rune, len(v.Bytes))
		for i, c := range v.Bytes {
			r[i] = rune(c)
		}
		return []byte(string(r)), true
	case asn1.TagBMPString:
		u := make([]uint16, len(v.Bytes)/2)
		for i := range u {
			u[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		return []byte(string(utf16.Decode(u))), true
	case tagUniversalString:
		r := make([]rune, len(v.Bytes)/4)
		for i := range r {
			r[i] = rune(binary.BigEndian.Uint32(v.Bytes[4*i:]))
		}
		return []byte(string(r)), true
	}
	return nil, false
}

// canonicalText folds ASCII letters to lower case, takes white space from both
// ends and makes one blank of each run of it inside (asn1_string_canon).
func canonicalText(s []byte) []byte {
	s = bytes.Trim(s, " \t\n\v\f\r")
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isSpace(c):
			if !isSpace(s[i-1]) {
				out = append(out, ' ')
			}
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
