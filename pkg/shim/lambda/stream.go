package lambda

import (
	"encoding/base64"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// integration is the type of a streamed HTTP answer: a JSON prelude with
// status and header, eight bytes of 0, and the body.
const integration = "application/vnd.awslambda.http-integration-response"

// stream is an answer that is sent while it comes ("Response streaming" in the
// runtime API): one chunked post, whose trailer says if it broke off.
type stream struct {
	conn *conn
	path string
	from source
	x    *exchange

	began   bool
	refused *buffer // an event's error is no answer, and held
	err     error
}

func (s *stream) head(h *message.Head) error {
	kind := integration
	if s.from == other {
		if failed(h) {
			s.refused = &buffer{}
			return nil
		}
		if kind = h.Header.Get("Content-Type"); kind == "" || kind == integration {
			kind = "application/octet-stream"
		}
	}
	s.began = true
	s.err = s.conn.begin("POST", s.path, message.Header{
		{Name: "Content-Type", Value: kind},
		{Name: "Lambda-Runtime-Function-Response-Mode", Value: "streaming"},
		{Name: "Trailer", Value: errorTypeField + ", " + errorBodyField},
	}, http1.Framing{Kind: http1.Chunked})
	if s.from != other && s.err == nil {
		prelude := append(newAnswer(s.from, h).json(), 0, 0, 0, 0, 0, 0, 0, 0)
		_, s.err = s.conn.client.Write(prelude)
	}
	return s.err
}

func (s *stream) write(p []byte) error {
	if s.refused != nil {
		return s.refused.write(p)
	}
	if s.err == nil {
		_, s.err = s.conn.client.Write(p)
	}
	return s.err
}

func (s *stream) flush() error {
	if s.refused == nil && s.err == nil {
		s.err = s.conn.client.Flush()
	}
	return s.err
}

// errorBodyField is the trailer with an error's JSON in base64.
const errorBodyField = "Lambda-Runtime-Function-Error-Body"

// end completes the post. A post that broke is not sent again: its beginning
// is gone.
func (s *stream) end() error {
	var trailer message.Header
	if !s.x.ended {
		p := problem{"AnswerBrokenOff", "the program broke its answer off"}
		trailer.Add(errorTypeField, p.kind)
		trailer.Add(errorBodyField, base64.StdEncoding.EncodeToString(p.json()))
	}
	if s.err == nil {
		s.err = s.conn.client.End(trailer)
	}
	if s.conn.client == nil {
		return s.conn.lost(s.path, s.err)
	}
	r, text, err := s.conn.finish("POST", maxReply)
	if r != nil {
		if s.err != nil { // it was refused before it was whole
			s.conn.close()
		}
		return judge(s.path, r.Status, text, false)
	}
	if s.err == nil {
		s.err = err
	}
	return s.conn.lost(s.path, s.err)
}
