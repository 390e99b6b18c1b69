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

// maxScan is how many records one page looks at: who wants few of many comes again.
const maxScan = 20_000

// An AuditPage is what was found behind a number.
type AuditPage struct {
	Records []AuditEntry
	Next    int64 // the number behind which to go on
	More    bool  // at once: there are records behind it
}

// AuditAfter returns up to limit of the records with higher numbers than one,
// the oldest first. Whoever goes on behind Next misses none and meets none
// twice, also when records are written meanwhile.
func (o *Operator) AuditAfter(ctx context.Context, f AuditFilter, after int64, limit int) (AuditPage, error) {
	page := AuditPage{Next: after}
	if err := checkLimit(limit); err != nil {
		return page, err
	}
	if after == 0 && !f.since.IsZero() {
		var err error
		if page.Next, err = o.before(ctx, f.since); err != nil {
			return page, err
		}
	}
	for scanned := 0; scanned < maxScan; scanned += pageSize {
		read, err := o.Audit.Records(ctx, storage.Span{After: page.Next, Limit: pageSize})
		if err != nil {
			return page, fmt.Errorf("read the audit: %w", err)
		}
		for i, r := range read {
			page.Next = r.Number
			if f.wants(r) {
				page.Records = append(page.Records, AuditEntry{Record: r})
			}
			if len(page.Records) == limit {
				page.More = i+1 < len(read) || len(read) == pageSize
				return page, o.named(ctx, page.Records)
			}
		}
		if len(read) < pageSize {
			return page, o.named(ctx, page.Records)
		}
	}
	page.More = true
	return page, o.named(ctx, page.Records)
}

// AuditNewest returns the limit newest records, the oldest of them first.
func (o *Operator) AuditNewest(ctx context.Context, f AuditFilter, limit int) (AuditPage, error) {
	var page AuditPage
	if err := checkLimit(limit); err != nil {
		return page, err
	}
	err := o.backward(ctx, func(read []storage.Record) (more bool) {
		page.Next = max(page.Next, read[len(read)-1].Number)
		for _, r := range slices.Backward(read) {
			if f.wants(r) {
				page.Records = append(page.Records, AuditEntry{Record: r})
			}
			if len(page.Records) == limit {
				return false
			}
		}
		return f.since.IsZero() || !allBefore(read, f.since)
	})
	if err != nil {
		return page, err
	}
	slices.Reverse(page.Records)
	return page, o.named(ctx, page.Records)
}

// before is a number that no record since a time is at or below. Clocks are set:
// only a whole page of older records ends the search.
func (o *Operator) before(ctx context.Context, since time.Time) (number int64, err error) {
	err = o.backward(ctx, func(read []storage.Record) (more bool) {
		if allBefore(read, since) {
			number = read[len(read)-1].Number
			return false
		}
		return true
	})
	return number, err
}

func allBefore(records []storage.Record, t time.Time) bool {
	return !slices.ContainsFunc(records, func(r storage.Record) bool { return !r.At.Before(t) })
}

// backward calls each with pages that are not empty, from the newest on.
func (o *Operator) backward(ctx context.Context, each func([]storage.Record) (more bool)) error {
	for before := int64(0); ; {
		read, err := o.Audit.Records(ctx, storage.Span{Before: before, Limit: pageSize, Newest: true})
		if err != nil {
			return fmt.Errorf("read the audit: %w", err)
		}
		if len(read) == 0 || !each(read) || len(read) < pageSize {
			return nil
		}
		before = read[0].Number
	}
}

// named fills in the names that users have now.
func (o *Operator) named(ctx context.Context, entries []AuditEntry) error {
	names := map[uuid.UUID]string{{}: ""}
	for i, e := range entries {
		name, known := names[e.User]
		if !known {
			u, err := o.Users.UserByID(ctx, e.User)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("read the audit: %w", err)
			}
			name = u.Name
			names[e.User] = name
		}
		entries[i].Username = name
	}
	return nil
}

// An AuditView is a record as programs get it.
type AuditView struct {
	Number    int64          `json:"number"`
	At        string         `json:"at"` // RFC 3339 in UTC, with microseconds
	Event     string         `json:"event"`
	ActorKind string         `json:"actor_kind"`
	Actor     string         `json:"actor,omitempty"` // of a user the sub
	Subject   string         `json:"sub,omitempty"`
	Username  string         `json:"username,omitempty"` // that the user has now
	ClientID  string         `json:"client_id,omitempty"`
	Session   string         `json:"sid,omitempty"`
	Address   string         `json:"address,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Detail    storage.Detail `json:"detail,omitempty"`
}

// ViewAudit returns the view of a record.
func ViewAudit(e AuditEntry) AuditView {
	v := AuditView{
		Number: e.Number, At: e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), Event: string(e.Event),
		ActorKind: string(e.Actor.Kind), Actor: e.Actor.Name, Username: e.Username, ClientID: e.Client,
		Address: e.Address, RequestID: e.Request, Reason: e.Reason, Detail: e.Detail,
	}
	if e.User != (uuid.UUID{}) {
		v.Subject = e.User.String()
	}
	if e.Session != (storage.SessionID{}) {
		v.Session = e.Session.String()
	}
	if e.Actor.Kind == storage.ByUser {
		v.Actor = v.Subject
	}
	return v
}
