package operator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// An AuditQuery says in words which records are wanted; what is empty says nothing.
type AuditQuery struct {
	User         string   // a name, or a sub: also of a user who was removed
	Client       string   // client_id
	Session      string   // sid
	Events       []string // names, or patterns such as keys.*
	Address      string   // an address, a prefix, or "local"
	Since, Until string   // RFC 3339, or how long ago: 24h
}

// An AuditFilter is a query that was understood.
type AuditFilter struct {
	user         uuid.UUID
	client       string
	session      storage.SessionID
	events       map[storage.Event]bool // nil: all
	address      string
	network      netip.Prefix
	since, until time.Time
}

// An AuditEntry is a record, with the name that its user has now.
type AuditEntry struct {
	storage.Record
	Username string // empty: there is no such user
}

// AuditFilter understands a query. ErrNotFound for a name that nobody has.
// Problems do not repeat what was asked for: it may be a secret in a wrong place.
func (o *Operator) AuditFilter(ctx context.Context, q AuditQuery) (f AuditFilter, err error) {
	var problems Invalid
	wrong := func(field, advice string, args ...any) {
		problems = append(problems, Problem{field, fmt.Sprintf(advice, args...)})
	}
	f.client, f.address = q.Client, q.Address
	if q.Session != "" {
		if f.session, err = storage.ParseSessionID(q.Session); err != nil {
			wrong("sid", "is %v", err)
		}
	}
	if f.events, err = matching(q.Events); err != nil {
		wrong("event", "%v", err)
	}
	if q.Address != "" && q.Address != storage.Local {
		if f.network, err = network(q.Address); err != nil {
			wrong("address", "must be an address, a prefix such as 192.0.2.0/24, or %s", storage.Local)
		}
	}
	for _, t := range []struct {
		field, text string
		into        *time.Time
	}{{"since", q.Since, &f.since}, {"until", q.Until, &f.until}} {
		if *t.into, err = moment(t.text, o.now()); err != nil {
			wrong(t.field, "must be a time as 2026-01-31T12:00:00Z, or how long ago as 24h")
		}
	}
	if len(problems) > 0 {
		return f, problems
	}
	if q.User != "" {
		f.user, err = o.whom(ctx, q.User)
	}
	return f, err
}

func (o *Operator) whom(ctx context.Context, user string) (uuid.UUID, error) {
	u, err := o.User(ctx, user)
	if err == nil {
		return u.ID, nil
	}
	if id, other := uuid.Parse(user); other == nil && id.String() == user {
		return id, nil
	}
	var invalid Invalid
	if errors.As(err, &invalid) {
		err = Invalid{{"user", invalid[0].Advice}}
	}
	return uuid.UUID{}, err
}

// matching are the events that one of some patterns names; nil without any.
func matching(patterns []string) (events map[storage.Event]bool, err error) {
	for _, p := range patterns {
		found := false
		for _, e := range storage.Events() {
			hit, err := path.Match(p, string(e.Event))
			if err != nil {
				return nil, errors.New("is no pattern: use * and ?")
			}
			if hit {
				if events == nil {
					events = map[storage.Event]bool{}
				}
				events[e.Event], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("must be one of, or a pattern such as keys.* for some of: %s", strings.Join(eventNames(), ", "))
		}
	}
	return events, nil
}

func eventNames() (names []string) {
	for _, e := range storage.Events() {
		names = append(names, string(e.Event))
	}
	slices.Sort(names)
	return names
}

func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// moment reads a time, or how long before now it is.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	return time.Parse(time.RFC3339, text)
}

func (f AuditFilter) wants(r storage.Record) bool {
	switch {
	case f.user != uuid.UUID{} && r.User != f.user,
		f.client != "" && r.Client != f.client,
		f.session != storage.SessionID{} && r.Session != f.session,
		f.events != nil && !f.events[r.Event],
		!f.since.IsZero() && r.At.Before(f.since),
		!f.until.IsZero() && r.At.After(f.until):
		return false
	case f.network.IsValid():
		addr, err := netip.ParseAddr(r.Address)
		return err == nil && f.network.Contains(addr)
	}
	return f.address == "" || r.Address == f.address
}
