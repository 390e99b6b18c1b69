package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

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
	err := o.backward(ctx, 0, func(read []storage.Record) (more bool) {
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

// before is a number that no record since a time is at or below. Numbers grow
// with time, but clocks are set: what is found that way is a hint, and only a
// whole page of older records ends the search. Where there is none within
// maxScan, the answer is the beginning, which is always right.
func (o *Operator) before(ctx context.Context, since time.Time) (number int64, err error) {
	hint, err := o.around(ctx, since)
	if err != nil {
		return 0, err
	}
	scanned := 0
	err = o.backward(ctx, hint+1, func(read []storage.Record) (more bool) {
		if allBefore(read, since) {
			number = read[len(read)-1].Number
			return false
		}
		scanned += len(read)
		return scanned < maxScan
	})
	return number, err
}

// around finds a record before a time with none before it behind, by halves, as
// if no clock had ever been set.
func (o *Operator) around(ctx context.Context, since time.Time) (int64, error) {
	newest, err := o.Audit.Records(ctx, storage.Span{Limit: 1, Newest: true})
	if err != nil || len(newest) == 0 {
		return 0, wrapRead(err)
	}
	low, high := int64(0), newest[0].Number
	for low < high {
		middle := low + (high-low)/2
		read, err := o.Audit.Records(ctx, storage.Span{After: middle, Limit: 1})
		switch {
		case err != nil:
			return 0, wrapRead(err)
		case len(read) == 0 || !read[0].At.Before(since):
			high = middle
		default:
			low = read[0].Number
		}
	}
	return low, nil
}

func wrapRead(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read the audit: %w", err)
}

func allBefore(records []storage.Record, t time.Time) bool {
	return !slices.ContainsFunc(records, func(r storage.Record) bool { return !r.At.Before(t) })
}

// backward calls each with pages that are not empty, from before a number on; 0:
// from the newest on.
func (o *Operator) backward(ctx context.Context, before int64, each func([]storage.Record) (more bool)) error {
	for {
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
