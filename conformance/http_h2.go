package conformance

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

func http2Cases() []Case {
	return group("http",
		Case{
			ID: "http-http2", Section: "RFC 9113 §8.2.1, §8.2.2", Level: Must, Run: http2Malformed,
			Expected: "Where HTTP/2 is spoken, names in upper case and fields of connections make a request malformed.",
			Means:    "A proxy that turns HTTP/2 into HTTP/1.1 makes two requests out of one, of which the second is an attacker's.",
		},
	)
}

// http2Malformed writes the frames itself: no client would.
func http2Malformed(ctx context.Context, p *Probe) Verdict {
	p.secured(ctx)
	p.connect(ctx, func(t *http.Transport) {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP2(true)
		t.TLSClientConfig.NextProtos = nil
	})
	u, err := url.Parse(p.target.oauthURL())
	if err != nil {
		return undecided("%v", err)
	}
	if _, err := p.try(ctx, http.MethodGet, u.String(), nil, nil); err != nil {
		return absent("HTTP/2 is not negotiated: %v", err)
	}
	for _, field := range [][2]string{{"X-Upper", "a"}, {"connection", "close"}, {"transfer-encoding", "chunked"}} {
		outcome := p.stream(ctx, u, field)
		p.sent, p.got = fmt.Sprintf("GET %s over HTTP/2 with the field %s", u, field[0]), outcome
		if outcome == answered {
			return fail("the field %s is taken", field[0])
		}
	}
	return pass()
}

// What became of a stream.
const (
	answered = "an answer other than 4xx and 5xx"
	refusal  = "a refusal"
	reset    = "the end of the stream or the connection"
)

// stream sends one request with one more field and says what became of it.
func (p *Probe) stream(ctx context.Context, u *url.URL, field [2]string) string {
	conn := p.dial(ctx, u, "h2")
	defer conn.Close()
	var block []byte
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", u.Scheme}, {":authority", u.Host}, {":path", u.RequestURI()}, field} {
		block = append(block, 0) // RFC 7541 §6.2.2: a literal with a new name, not indexed
		block = append(append(block, byte(len(f[0]))), f[0]...)
		block = append(append(block, byte(len(f[1]))), f[1]...) // short: RFC 7541 §5.1 needs no second octet
	}
	text := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") // RFC 9113 §3.4
	text = append(text, frame(4, 0, 0, nil)...)        // SETTINGS
	text = append(text, frame(1, 0x5, 1, block)...)    // HEADERS with END_STREAM and END_HEADERS
	if _, err := conn.Write(text); err != nil {
		return reset
	}
	for in := bufio.NewReader(conn); ; {
		kind, id, payload, err := readFrame(in)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			panic(stop{undecided("no answer in %v", rawTimeout)})
		case err != nil, kind == 3 && id == 1, kind == 7: // RST_STREAM, GOAWAY
			return reset
		case kind == 1 && id == 1:
			if succeeded(payload) {
				return answered
			}
			return refusal
		}
	}
}

// frame writes one (RFC 9113 §4.1).
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

func readFrame(r io.Reader) (kind byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:4]) >> 8
	payload = make([]byte, min(size, maxAnswer))
	_, err = io.ReadFull(r, payload)
	return head[3], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), payload, err
}

// succeeded reads the status, which comes first (RFC 9113 §8.3): 2xx or 3xx.
func succeeded(block []byte) bool {
	for len(block) > 0 && block[0]>>5 == 1 { // RFC 7541 §6.3: a table's new size
		block = block[1:]
	}
	if len(block) == 0 {
		return false
	}
	if block[0]&0x80 != 0 { // RFC 7541 App. A: 8 to 14 are 200, 204, 206, 304, 400, 404, 500
		return block[0] >= 0x88 && block[0] <= 0x8b
	}
	if len(block) < 3 { // a literal: the name's index, the value's length, the value
		return false
	}
	if block[1]&0x80 != 0 { // RFC 7541 App. B: 2 is 00010, 3 is 011001
		return block[2]>>3 == 0b00010 || block[2]>>2 == 0b011001
	}
	return block[2] == '2' || block[2] == '3'
}
