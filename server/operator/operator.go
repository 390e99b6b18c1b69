// Package operator is what an operator does, free of HTTP: the same acts serve
// the command line and an admin API.
//
// An act checks what it was given and reports every problem at once (Invalid),
// does its work through one verb of the store or one edit of the key ring, which
// leaves its record in the audit (storage.Act in the context says who acts), and
// writes one log record that says who did what. No secret gets into a record
// or an error; a generated secret is returned once and never again.
//
// Beside Invalid, acts report the storage package's errors: ErrNotFound,
// ErrConflict (as a Conflict where there is an advice), ErrUnavailable; acts
// that hash, password.ErrBusy; acts on keys, those of the keys package too.
package operator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// An Operator acts on one store. All fields but Now are needed by some act;
// one that is not used may be left out.
type Operator struct {
	Users     Users
	Clients   Clients
	Sessions  Sessions
	Tokens    Tokens
	Audit     Audit
	Spent     Spent
	Keys      Keys
	Replicas  func(context.Context) ([]storage.Replica, error) // the processes that serve; nil: not known
	Trial     Keys                                             // does as Keys does, and stores nothing
	Passwords Hasher
	Log       *slog.Logger
	By        string           // who acts, for the log: "command line", "token NAME"
	Now       func() time.Time // the wall clock; time.Now if nil
}

// As returns an operator whose acts are somebody else's in the log.
func (o *Operator) As(by string) *Operator {
	other := *o
	other.By = by
	return &other
}

// DryRun returns an operator whose acts on keys come to what they would, check
// what they would, and neither store nor record anything.
func (o *Operator) DryRun() *Operator {
	other := *o
	other.Keys = o.Trial
	return &other
}

// A Problem is one thing wrong with what an act was given.
type Problem struct {
	Field  string `json:"field"`  // as in the records' JSON: "default_scopes"
	Advice string `json:"advice"` // what is wrong and what to write instead
}

// Invalid is reported for input that was refused before anything was done.
type Invalid []Problem

// Error lists the problems on one line.
func (i Invalid) Error() string {
	lines := make([]string, len(i))
	for n, p := range i {
		lines[n] = p.Field + ": " + p.Advice
	}
	return strings.Join(lines, "; ")
}

// A Conflict is a storage.ErrConflict of which it is known what is in the way.
type Conflict Problem

// Error is the problem on one line.
func (c Conflict) Error() string { return c.Field + ": " + c.Advice }

// Unwrap returns storage.ErrConflict.
func (c Conflict) Unwrap() error { return storage.ErrConflict }

// now is the wall clock at the store's resolution.
func (o *Operator) now() time.Time {
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Microsecond)
}

// record writes an act's one log record.
func (o *Operator) record(ctx context.Context, act string, attrs ...slog.Attr) {
	all := append([]slog.Attr{slog.String("act", act), slog.String("by", o.By)}, attrs...)
	o.Log.LogAttrs(ctx, slog.LevelInfo, "operator", all...)
}

// everything calls each with all that there is, page by page. next returns
// the limit records after the one that was last; nothing is before the first.
func everything[T any](each func(T) error, next func(last *T, limit int) ([]T, error)) error {
	for last := (*T)(nil); ; {
		page, err := next(last, pageSize)
		if err != nil {
			return err
		}
		for _, v := range page {
			if err := each(v); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		last = &page[len(page)-1]
	}
}

const (
	pageSize = 500
	maxPage  = 1000 // that a caller may ask for
)

func checkLimit(limit int) error {
	if limit < 1 || limit > maxPage {
		return Invalid{{"limit", fmt.Sprintf("must be 1 to %d", maxPage)}}
	}
	return nil
}
