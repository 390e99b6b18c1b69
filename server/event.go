package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// An event is what one request comes to: filled along the way, logged once.
// Nothing in it is secret. What the caller chose freely is short and quoted by
// the log handler.
type event struct {
	id       string // also in the Request-Id header
	endpoint string
	start    time.Time
	addr     netip.Addr
	act      storage.Act // for the audit: who acts, as far as is known
	client   string      // client_id, once the client is authenticated
	attrs    []slog.Attr
	level    slog.Level
}

type eventKey struct{}

func newEvent(endpoint string, addr netip.Addr, now time.Time) *event {
	id := make([]byte, 12)
	rand.Read(id) // never fails
	ev := &event{id: base64.RawURLEncoding.EncodeToString(id), endpoint: endpoint, start: now, addr: addr}
	ev.act = storage.Act{Actor: storage.Actor{Kind: storage.Nobody}, Address: addr.String(), Request: ev.id}
	return ev
}

// eventOf returns the request's event.
func eventOf(ctx context.Context) *event { return ctx.Value(eventKey{}).(*event) }

// by says who acts.
func (e *event) by(kind storage.ActorKind, name string) {
	e.act.Actor = storage.Actor{Kind: kind, Name: name}
	if kind == storage.ByClient {
		e.client = name
	}
}

// note adds to the event.
func (e *event) note(attrs ...slog.Attr) { e.attrs = append(e.attrs, attrs...) }

// alarm makes the event one that operators should see.
func (e *event) alarm(what string, attrs ...slog.Attr) {
	e.level = slog.LevelWarn
	e.note(slog.String("event", what))
	e.note(attrs...)
}

// log writes the event's one record.
func (e *event) log(ctx context.Context, log *slog.Logger, status int, err error, took time.Duration) {
	level := e.level
	attrs := []slog.Attr{
		slog.String("request_id", e.id), slog.String("endpoint", e.endpoint), slog.Int("status", status),
		slog.String("address", e.addr.String()), slog.Duration("took", took),
	}
	if err != nil {
		refusal := asError(err)
		attrs = append(attrs, slog.String("error", refusal.Code), slog.String("reason", refusal.Error()))
		if refusal.Status >= http.StatusInternalServerError && refusal.Status != http.StatusServiceUnavailable {
			level = slog.LevelError
		}
	}
	log.LogAttrs(ctx, level, "request", append(attrs, e.attrs...)...)
}
