package operator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// A SessionFilter says which sessions an act is about. A zero member restricts
// nothing; of those that are set all must hold.
type SessionFilter struct {
	Username  string
	ClientID  string
	Device    string        // a part of what it is called, in any case
	OlderThan time.Duration // since the sign-in
	IdleFor   time.Duration // since the last refresh that was recorded, or the sign-in
}

// Empty reports whether all sessions are meant.
func (f SessionFilter) Empty() bool { return f == SessionFilter{} }

// endSlice is how many sessions are looked at, and ended at most, in one
// transaction: what a refresh that comes meanwhile waits for.
const endSlice = 250

// match looks the names of a filter up.
func (o *Operator) match(ctx context.Context, f SessionFilter) (m storage.SessionMatch, err error) {
	var problems Invalid
	for _, d := range []struct {
		field string
		value time.Duration
		to    *time.Time
	}{{"older_than", f.OlderThan, &m.AuthBefore}, {"idle_for", f.IdleFor, &m.UsedBefore}} {
		switch {
		case d.value < 0:
			problems = append(problems, Problem{d.field, "must not be negative"})
		case d.value > 0:
			*d.to = o.now().Add(-d.value)
		}
	}
	if len(problems) > 0 {
		return m, problems
	}
	m.Device = f.Device
	if f.Username != "" {
		u, err := o.User(ctx, f.Username)
		if err != nil {
			return m, err
		}
		m.User = u.ID
	}
	if f.ClientID != "" {
		c, err := o.Client(ctx, f.ClientID)
		if err != nil {
			return m, err
		}
		m.Client = c.Number
	}
	return m, nil
}

// MatchingSessions calls each with the sessions that EndMatching would end.
func (o *Operator) MatchingSessions(ctx context.Context, f SessionFilter, each func(storage.SessionEntry) error) error {
	for after := (storage.SessionID{}); ; {
		page, next, err := o.MatchingPage(ctx, f, after, pageSize)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := each(e); err != nil {
				return err
			}
		}
		if next == (storage.SessionID{}) {
			return nil
		}
		after = next
	}
}

// MatchingPage looks at limit sessions after one and returns those that EndPage
// would end. next is where to go on, zero at the end. If one user's are meant,
// and they are not very many, it looks at them alone, and all of them.
func (o *Operator) MatchingPage(ctx context.Context, f SessionFilter, after storage.SessionID, limit int) (matching []storage.SessionEntry, next storage.SessionID, err error) {
	m, err := o.match(ctx, f)
	if err != nil {
		return nil, next, err
	}
	var page []storage.SessionEntry
	if m.User != uuid.Nil {
		if page, err = o.UserSessions(ctx, m.User); err != nil {
			return nil, next, err
		}
	}
	if m.User == uuid.Nil || len(page) >= MostSessions {
		if page, err = o.SessionPage(ctx, after, limit); err != nil {
			return nil, next, err
		}
		if len(page) == limit {
			next = page[limit-1].ID
		}
	}
	for _, e := range page {
		if m.Matches(e.Session) {
			matching = append(matching, e)
		}
	}
	return matching, next, nil
}

// EndMatching ends the sessions that a filter means and tells how many, also
// with an error; what was ended stays so, and another run goes on with the
// rest. It works in slices, each of them one transaction, and leaves the store
// alone for as long between them: whoever refreshes meanwhile waits for one.
// progress is called after each.
func (o *Operator) EndMatching(ctx context.Context, f SessionFilter, progress func(ended int)) (ended int, err error) {
	m, err := o.match(ctx, f)
	if err != nil {
		return 0, err
	}
	defer func() {
		if ended > 0 || err == nil {
			o.record(context.WithoutCancel(ctx), "session.end_matching", f.attrs(ended)...)
		}
	}()
	for after := (storage.SessionID{}); ; {
		began := time.Now()
		next, ids, err := o.endSome(ctx, m, after, endSlice)
		ended += len(ids)
		if err != nil {
			return ended, err
		}
		progress(ended)
		if next == (storage.SessionID{}) {
			last, err := o.endRest(ctx, f, m)
			return ended + last, err
		}
		after = next
		if len(ids) == 0 { // it only read
			continue
		}
		select {
		case <-time.After(time.Since(began)):
		case <-ctx.Done():
			return ended, ctx.Err()
		}
	}
}

// EndPage looks at limit sessions after one, of one user if the filter names
// one, ends those that match, and names them. next is where to go on, zero at
// the end.
func (o *Operator) EndPage(ctx context.Context, f SessionFilter, after storage.SessionID, limit int) (ended []storage.SessionID, next storage.SessionID, err error) {
	if err := checkLimit(limit); err != nil {
		return nil, next, err
	}
	m, err := o.match(ctx, f)
	if err != nil {
		return nil, next, err
	}
	next, ended, err = o.endSome(ctx, m, after, limit)
	if err == nil && next == (storage.SessionID{}) {
		_, err = o.endRest(ctx, f, m)
	}
	if len(ended) > 0 {
		o.record(ctx, "session.end_matching", f.attrs(len(ended))...)
	}
	return ended, next, err
}

func (o *Operator) endSome(ctx context.Context, m storage.SessionMatch, after storage.SessionID, limit int) (storage.SessionID, []storage.SessionID, error) {
	next, ended, err := o.Sessions.EndMatching(ctx, after, limit, m, storage.EndedRevoked, o.now())
	if err != nil {
		err = fmt.Errorf("end sessions: %w", err)
	}
	return next, ended, err
}

// endRest ends what is left where all of a user's sessions are meant: tokens of
// another system that would begin one are then refused as well.
func (o *Operator) endRest(ctx context.Context, f SessionFilter, m storage.SessionMatch) (int, error) {
	if f.Username == "" || f != (SessionFilter{Username: f.Username}) {
		return 0, nil
	}
	ended, err := o.Sessions.EndSessions(ctx, m.User, storage.SessionID{}, storage.EndedRevoked, o.now())
	if err != nil {
		err = fmt.Errorf("end sessions: %w", err)
	}
	return ended, err
}

// attrs say what was meant and how many it was.
func (f SessionFilter) attrs(ended int) (attrs []slog.Attr) {
	for _, a := range []struct{ name, value string }{{"username", f.Username}, {"client_id", f.ClientID}, {"device", f.Device}} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	for _, a := range []struct {
		name  string
		value time.Duration
	}{{"older_than", f.OlderThan}, {"idle_for", f.IdleFor}} {
		if a.value > 0 {
			attrs = append(attrs, slog.Duration(a.name, a.value))
		}
	}
	return append(attrs, slog.Int("sessions_ended", ended), slog.String("reason", string(storage.EndedRevoked)))
}
