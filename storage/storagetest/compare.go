package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

var errWrong = errors.New("not an error that a verb reports")

// equal expects two records to be the same, but for the marks of users: those
// follow from what became of the user, and the cases of exchanges look at them.
func (s *store) equal(got, want any) {
	s.Helper()
	s.same(unmarked(got), unmarked(want))
}

// same is equal, marks included.
func (s *store) same(got, want any) {
	s.Helper()
	if got, want = tidy(got), tidy(want); !reflect.DeepEqual(got, want) {
		s.Fatalf("got\n%+v, want\n%+v", got, want)
	}
}

func unmarked(v any) any {
	switch v := v.(type) {
	case storage.User:
		v.CameAt, v.NotBefore = time.Time{}, time.Time{}
		return v
	case []storage.User:
		v = slices.Clone(v)
		for i := range v {
			v[i] = unmarked(v[i]).(storage.User)
		}
		return v
	case storage.Refreshed:
		v.User = unmarked(v.User).(storage.User)
		return v
	}
	return v
}

// verdict finds which of the errors that callers ask for was reported. It is
// the error itself if none was, and another if several were.
func verdict(err error) error {
	var found []error
	for _, known := range []error{
		storage.ErrNotFound, storage.ErrConflict, storage.ErrDisabled, storage.ErrExpired, storage.ErrEnded,
		storage.ErrClient, storage.ErrGrant, storage.ErrScope, storage.ErrResource, storage.ErrReused,
		storage.ErrBehind, storage.ErrUnavailable, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			found = append(found, known)
		}
	}
	switch len(found) {
	case 0:
		return err
	case 1:
		return found[0]
	}
	return fmt.Errorf("%w: %v at once", errWrong, found)
}

// tidy makes records comparable: an empty list is nil, a time is UTC, a token
// is what it says.
func tidy(v any) any {
	switch v := v.(type) {
	case storage.User:
		c := &v.Claims
		c.Roles, c.Groups, c.Entitlements = list(c.Roles), list(c.Groups), list(c.Entitlements)
		if len(c.Extra) == 0 {
			c.Extra = nil
		}
		v.CreatedAt, v.CameAt, v.NotBefore = v.CreatedAt.UTC(), v.CameAt.UTC(), v.NotBefore.UTC()
		return v
	case []storage.User:
		return each(v)
	case storage.Client:
		p := &v.ClientPolicy
		for _, l := range []*[]string{
			&p.Grants, &p.Scopes, &p.DefaultScopes, &p.Audiences, &p.DefaultAudiences, &p.Claims, &p.Origins,
		} {
			*l = list(*l)
		}
		v.Secrets, v.CreatedAt = list(v.Secrets), v.CreatedAt.UTC()
		return v
	case []storage.Client:
		return each(v)
	case storage.Session:
		v.Scope, v.Audience = list(v.Scope), list(v.Audience)
		for _, t := range []*time.Time{&v.AuthTime, &v.ExpiresAt, &v.LastUsedAt, &v.EndedAt} {
			*t = t.UTC()
		}
		return v
	case storage.SessionEntry:
		v.Session = tidy(v.Session).(storage.Session)
		return v
	case []storage.SessionEntry:
		return each(v)
	case storage.OperatorToken:
		v.Scopes, v.CreatedAt, v.ExpiresAt = list(v.Scopes), v.CreatedAt.UTC(), v.ExpiresAt.UTC()
		return v
	case []storage.OperatorToken:
		return each(v)
	case storage.Spent:
		v.ExpiresAt, v.User = v.ExpiresAt.UTC(), uuid.Nil // not kept
		return v
	case storage.Replica:
		v.AdoptedAt, v.SeenAt = v.AdoptedAt.UTC(), v.SeenAt.UTC()
		return v
	case []storage.Replica:
		return each(v)
	case storage.Record:
		v.At = v.At.UTC()
		if len(v.Detail) == 0 {
			v.Detail = nil
		}
		return v
	case []storage.Record:
		return each(v)
	case storage.Refreshed:
		return struct {
			Outcome                       storage.Outcome
			Token                         string
			Scope, Audience               []string
			User, Client, Session, Before any
		}{
			v.Outcome, v.Token.Reveal(), list(v.Scope), list(v.Audience),
			tidy(v.User), tidy(v.Client), tidy(v.Session), tidy(v.Before),
		}
	}
	return v
}

func each[T any](values []T) []any {
	var out []any
	for _, v := range values {
		out = append(out, tidy(v))
	}
	return out
}

func list[T any](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	return l
}

// count tells how many errors have a verdict.
func count(errs []error, want error) (n int) {
	for _, err := range errs {
		if verdict(err) == want {
			n++
		}
	}
	return n
}

// allOf expects every error to have one of some verdicts.
func (s *store) allOf(errs []error, allowed ...error) {
	s.Helper()
	for i, err := range errs {
		if !slices.Contains(allowed, verdict(err)) {
			s.Fatalf("call %d: %v", i, err)
		}
	}
}
