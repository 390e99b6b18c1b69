package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A handlerFunc answers a request, or returns why it does not.
type handlerFunc func(http.ResponseWriter, *http.Request) error

// patience is how long a request waits, for the store above all: it is answered
// 503 well before its connection times out or a server that stops cuts it off.
const patience = 8 * time.Second

// OpsPatience is patience for the acts of operators, which may make several
// RSA keys or wait for a device: a revocation in an emergency must not fail
// again and again on a slow machine. A listener's write timeout must be longer.
const OpsPatience = 25 * time.Second

// A refuseFunc writes a refusal.
type refuseFunc func(*Error, http.ResponseWriter)

// handle turns a function that may fail into a handler: security headers, one
// event, and the one place that writes a refusal.
func (s *Server) handle(endpoint string, h handlerFunc) http.Handler {
	return s.handleAs(endpoint, h, (*Error).render)
}

// handleAs is handle for an endpoint whose refusals have another form.
func (s *Server) handleAs(endpoint string, h handlerFunc, refuse refuseFunc) http.Handler {
	return s.handleWithin(patience, endpoint, h, refuse)
}

// handleWithin is handleAs for an endpoint whose requests wait for so long.
func (s *Server) handleWithin(limit time.Duration, endpoint string, h handlerFunc, refuse refuseFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev := newEvent(endpoint, clientAddr(r, s.cfg.TrustedProxies), s.now())
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), eventKey{}, ev), limit)
		defer cancel()
		ctx = storage.WithAct(ctx, &ev.act)
		s.secure(w.Header(), ev.id)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		err := recovered(h, rec, r.WithContext(ctx))
		if err != nil {
			refuse(asError(err), rec)
		}
		took := s.now().Sub(ev.start)
		ev.log(ctx, s.log, rec.status, err, took)
		s.metrics.count(endpoint, rec.status, took)
	})
}

// secure sets what every answer of an endpoint carries.
func (s *Server) secure(h http.Header, requestID string) {
	h.Set("Request-Id", requestID)
	h.Set("Cache-Control", "no-store") // RFC 6749 §5.1
	h.Set("Pragma", "no-cache")        // RFC 6749 §5.1
	s.harden(h)
}

// harden sets what browsers go by, for public documents too.
func (s *Server) harden(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff") // WHATWG Fetch
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=31536000") // RFC 6797 §7.2: never over http
	}
}

// recovered runs h; a panic becomes an error, so it is logged with the event
// and answered like any other failure.
func recovered(h handlerFunc, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errInternal.because(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return h(w, r)
}

// notAllowed answers any method that a path does not have (RFC 9110 §15.5.6).
func notAllowed(allow string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allow)
		return errMethod.because(fmt.Errorf("%.16q, allowed are %s", r.Method, allow))
	}
}

// notFound does not repeat the path: people paste tokens into URLs.
func notFound(_ http.ResponseWriter, r *http.Request) error {
	return errNotFound.because(fmt.Errorf("%.16q to a path of %d bytes that is no endpoint", r.Method, len(r.URL.Path)))
}

// writeJSON writes v, which always marshals, as the whole answer.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // handle answers 500
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

// recorder remembers the status for the event.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.MaxBytesReader close the connection of an endless body.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
