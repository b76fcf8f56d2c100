package http2

import "fmt"

// Code says why a stream or a connection ended (RFC 9113, section 7).
type Code uint32

const (
	codeNo              Code = 0x0
	codeProtocol        Code = 0x1
	codeInternal        Code = 0x2
	codeFlowControl     Code = 0x3
	codeSettingsTimeout Code = 0x4
	codeStreamClosed    Code = 0x5
	codeFrameSize       Code = 0x6
	codeRefusedStream   Code = 0x7
	codeCancel          Code = 0x8
	codeCompression     Code = 0x9
	codeConnect         Code = 0xa
	codeEnhanceYourCalm Code = 0xb
	codeInadequate      Code = 0xc
	codeHTTP11Required  Code = 0xd
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("error 0x%x", uint32(c))
}

// connError ends the connection with a GOAWAY frame (RFC 9113, section 5.4.1).
type connError struct {
	code Code
	why  string
}

func (e connError) Error() string { return e.code.String() + ": " + e.why }

// streamError ends one stream with an RST_STREAM frame (RFC 9113, section
// 5.4.2).
type streamError struct {
	code Code
	why  string
}

func (e streamError) Error() string { return e.code.String() + ": " + e.why }

// resetError says that the peer ended a stream with that code.
type resetError struct{ Code Code }

func (e resetError) Error() string { return "the peer reset the stream: " + e.Code.String() }
