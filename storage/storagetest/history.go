package storagetest

import (
	"context"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// Service time goes in steps that are far from the windows' ends, so that the
// moments a real store takes do not decide anything.
const (
	serviceStep   = 40 * time.Second
	historyWindow = 100 * time.Second
)

const historyTime = 4 * time.Second

// play draws histories: as many as fit in a few seconds, or as -rapid.checks
// asks for.
func play(t *testing.T, history func(*rapid.T)) {
	checks := flag.Lookup("rapid.checks")
	limited := checks.Value.String() == checks.DefValue
	end, failing := time.Now().Add(historyTime), false
	rapid.Check(t, func(rt *rapid.T) {
		if limited && !failing && time.Now().After(end) {
			return
		}
		failing = true // until it passes; what failed is played again and again to find the shortest
		history(rt)
		failing = false
	})
}

// histories plays random sequences of verbs on the backend and on a Model.
// Each answer, and after each step the sessions that it was about, must be the
// same; in the end all that is kept.
func histories(t *testing.T, open func(*testing.T) Fixture) {
	play(t, func(rt *rapid.T) {
		h := newHistory(t, rt, open)
		defer func() { h.backend.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"":              h.compareSessions,
			"login":         h.login,
			"refresh":       h.refresh,
			"refresh more":  h.refresh,
			"refresh again": h.refresh,
			"refuse":        h.refused,
			"thief":         h.thief,
			"set back":      h.setBack,
			"password":      h.setPassword,
			"rehash":        h.rehash,
			"disable":       h.setDisabled,
			"user":          h.createUser,
			"client":        h.createClient,
			"login more":    h.login,
			"exchange":      h.exchange,
			"change":        h.change,
			"remove":        h.remove,
			"end":           h.end,
			"look":          h.look,
			"lists":         h.lists,
			"ring":          h.ring,
			"service time":  h.passService,
			"wall time":     h.passWall,
			"sweep":         h.sweep,
			"reopen":        h.reopen,
		})
		h.reopen(rt)
		h.compareSessions(rt)
		h.records(rt, storage.Span{Limit: 1 << 20})
	})
}

// A side is one of the two stores that a history compares.
type side struct {
	Fixture
	clients []storage.Client // as it numbered them
}

type history struct {
	ctx            context.Context
	backend, model *side
	now            time.Time
	users          []storage.User // as created
	lineages       [][]storage.RefreshToken
	touched        []int // the lineages to look at after this step
	replicas       []uuid.UUID
	foreign        map[string]storage.Exchange // of another system, by their ids
}

func newHistory(t *testing.T, rt *rapid.T, open func(*testing.T) Fixture) *history {
	h := newStores(t, rt, open)
	h.login(rt)
	h.login(rt)
	return h
}

// newStores opens both sides with two users and clients of every kind.
func newStores(t *testing.T, rt *rapid.T, open func(*testing.T) Fixture) *history {
	m := NewModel()
	h := &history{
		foreign: map[string]storage.Exchange{}, replicas: []uuid.UUID{uuid.New(), uuid.New(), uuid.New()},
		ctx: t.Context(), now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		backend: &side{Fixture: open(t)}, model: &side{Fixture: Fixture{Backend: m, AddService: m.AddService}},
	}
	for _, name := range []string{"ada", "bob"} {
		h.addUser(rt, name, "")
	}
	for id, change := range []func(*storage.Client){
		func(*storage.Client) {},
		func(c *storage.Client) { c.RetryWindow = 0 },
		func(c *storage.Client) {
			c.Rotate, c.AuthMethod, c.Secrets = false, storage.AuthBasic, []storage.Digest{{1}, {2}}
		},
		func(c *storage.Client) { c.Scopes, c.Audiences = []string{"read"}, []string{"https://a.example"} },
	} {
		h.addClient(rt, fmt.Sprint("client-", id), change)
	}
	return h
}

// both calls a verb on both sides and compares what they answer. It returns
// the backend's answer.
func both[T any](h *history, rt *rapid.T, call func(*side) (T, error)) (T, error) {
	rt.Helper()
	got, gotErr := call(h.backend)
	want, wantErr := call(h.model)
	if verdict(gotErr) != verdict(wantErr) {
		rt.Fatalf("got %v, the model %v", gotErr, wantErr)
	}
	if got, want := h.backend.plain(got), h.model.plain(want); !reflect.DeepEqual(got, want) {
		rt.Fatalf("got\n%+v, the model\n%+v", got, want)
	}
	return got, verdict(gotErr)
}

// plain makes the answers of both sides comparable: clients are numbered as
// they were created, and service time is counted in steps.
func (x *side) plain(v any) any {
	switch v := v.(type) {
	case storage.Client:
		v.Number = x.index(v.Number)
		return tidy(v)
	case []storage.Client:
		v = slices.Clone(v)
		for i := range v {
			v[i].Number = x.index(v[i].Number)
		}
		return tidy(v)
	case storage.Session:
		v.Client, v.RotatedAt = x.index(v.Client), steps(v.RotatedAt)
		return tidy(v)
	case storage.SessionEntry:
		v.Session = x.plain(v.Session).(storage.Session)
		return v
	case []storage.SessionEntry:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, x.plain(e))
		}
		return out
	case storage.Refreshed:
		v.Client.Number = x.index(v.Client.Number)
		for _, s := range []*storage.Session{&v.Session, &v.Before} {
			s.Client, s.RotatedAt = x.index(s.Client), steps(s.RotatedAt)
		}
		return tidy(v)
	case []storage.Replica:
		v = slices.Clone(v)
		for i := range v {
			v[i].Seen = steps(v[i].Seen)
		}
		return tidy(v)
	case []storage.Record:
		v = slices.Clone(v)
		for i := range v {
			v[i].At = time.Time{} // of a verb without a time of its own: the moment
		}
		return tidy(v)
	case storage.ServiceTime:
		return steps(v)
	}
	return tidy(v)
}

func (x *side) index(number int64) int64 {
	return 1 + int64(slices.IndexFunc(x.clients, func(c storage.Client) bool { return c.Number == number }))
}

func steps(at storage.ServiceTime) storage.ServiceTime {
	if at == 0 {
		return 0
	}
	return 1 + storage.ServiceTime(at.Sub(1)/serviceStep)
}

// touchAll has every session looked at that ever was.
func (h *history) touchAll() {
	h.touched = nil
	for i := range h.lineages {
		h.touched = append(h.touched, i)
	}
}

func (h *history) compareSessions(rt *rapid.T) {
	look := func(x *side) func(i int) (storage.Refreshed, error) {
		return func(i int) (storage.Refreshed, error) {
			return x.RotateSession(h.ctx, peek(h.lineages[h.touched[i]][0], h.now))
		}
	}
	got, gotErrs := parallel(len(h.touched), look(h.backend))
	want, wantErrs := parallel(len(h.touched), look(h.model))
	for i := range h.touched {
		if g, w := verdict(gotErrs[i]), verdict(wantErrs[i]); g != w || g != storage.ErrClient && g != storage.ErrNotFound {
			rt.Fatalf("session %d: got %v, the model %v", i, gotErrs[i], wantErrs[i])
		}
		if g, w := h.backend.plain(got[i]), h.model.plain(want[i]); !reflect.DeepEqual(g, w) {
			rt.Fatalf("session %d: got\n%+v, the model\n%+v", i, g, w)
		}
	}
	h.touched = nil
}
