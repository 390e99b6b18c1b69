package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// rawTimeout bounds one exchange of bytes that no HTTP client would send.
const rawTimeout = 5 * time.Second

// dial connects to where u is, as the target's HTTP client would; over TLS one
// of the protocols must be agreed on.
func (p *Probe) dial(ctx context.Context, u *url.URL, protocol string) net.Conn {
	p.connect(ctx, func(*http.Transport) {})
	transport := p.http.Transport.(*http.Transport) // connect sees to it
	dial := transport.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if err := p.pace.wait(ctx); err != nil {
		panic(stop{undecided("stopped while waiting: %v", err)})
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		panic(stop{undecided("no connection: %v", err)})
	}
	conn.SetDeadline(time.Now().Add(rawTimeout))
	if u.Scheme != "https" {
		return conn
	}
	config := transport.TLSClientConfig.Clone()
	config.ServerName = or(config.ServerName, u.Hostname())
	config.NextProtos = []string{protocol}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		panic(stop{undecided("no connection with %s: %v", protocol, err)})
	}
	return secure
}

// raw sends a request as it is written and returns the answer, and whether the
// server has no more to do with the connection. Without an answer, both say so.
func (p *Probe) raw(ctx context.Context, u *url.URL, text string) (a answer, closed bool) {
	conn := p.dial(ctx, u, "http/1.1")
	defer conn.Close()
	line, _, _ := strings.Cut(text, "\r\n")
	p.sent, p.got = line, "the connection was closed"
	_, err := conn.Write([]byte(text))
	resp, readErr := http.ReadResponse(bufio.NewReader(conn), nil) // it may have answered before all was written
	switch {
	case errors.Is(readErr, os.ErrDeadlineExceeded):
		p.got = "no answer"
		panic(stop{undecided("no answer in %v", rawTimeout)})
	case readErr != nil || err != nil && resp == nil:
		return answer{}, true
	}
	if a, err = readAnswer(resp); err != nil {
		panic(stop{undecided("no answer: %v", err)})
	}
	p.got = a.String()
	if resp.Close {
		p.got += "; connection: close"
	}
	return a, resp.Close || hasClosed(conn)
}

// hasClosed waits a moment for the end of a connection.
func hasClosed(conn net.Conn) bool {
	conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}
