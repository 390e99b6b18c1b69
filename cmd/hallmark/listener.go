package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// Limits on what a connection can cost.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second // a failed sign-in is held back for a while
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	drainTimeout      = 10 * time.Second

	// maxConnections are open at once; the next one waits until one is closed,
	// by its client or by a timeout above.
	maxConnections = 10_000
)

// A listener is an open socket and the HTTP server for it.
type listener struct {
	*http.Server
	socket      net.Listener
	certificate *certificate // nil: it speaks plain HTTP
}

// listen takes an address now, so that a start fails before anything is made.
func listen(flag, address string, log *slog.Logger) (*listener, error) {
	socket, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fail(exitFailure, "%s %s: the address is in use: end the process that has it, or choose another", flag, address)
	case errors.Is(err, syscall.EACCES):
		return nil, fail(exitFailure, "%s %s: not permitted: choose a port from 1024", flag, address)
	case err != nil:
		return nil, usage("%s %s: %w; give host:port, such as 127.0.0.1:8080", flag, address, err)
	}
	return &listener{socket: netutil.LimitListener(socket, maxConnections), Server: &http.Server{
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// serve returns nil when the server was shut down.
func (l *listener) serve() error {
	serve := l.Serve
	if l.certificate != nil {
		serve = func(socket net.Listener) error { return l.ServeTLS(socket, "", "") } // l.TLSConfig has it
	}
	if err := serve(l.socket); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// address is where it listens, with the port that it got.
func (l *listener) address() net.Addr { return l.socket.Addr() }

// url is where this machine finds it.
func (l *listener) url() string {
	scheme := "http://"
	if l.certificate != nil {
		scheme = "https://"
	}
	return scheme + reachable(l.address())
}

// reachable is the address under which this machine finds a socket.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
