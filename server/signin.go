package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

const retryBusy = 2 * time.Second

// signIn returns the user whose name and password these are; see prove.
func (s *Server) signIn(ctx context.Context, began time.Time, typed string, pw storage.Secret) (storage.User, error) {
	name, cause := password.UserName(typed)
	if cause != nil {
		name = typed // of no user; throttled and timed like any other
	}
	user, err := s.store.UserByName(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.User{}, err
	}
	if user.Name != "" { // a name that nobody has may be a password in the wrong field
		eventOf(ctx).note(slog.String("username", user.Name))
	}
	rehash, err := s.prove(ctx, began, proof{name, user, pw, cause, errCredentials})
	if err != nil {
		return storage.User{}, err
	}
	return s.rehashed(ctx, user, pw, rehash), nil
}

// A proof is a password that is to be a user's.
type proof struct {
	name     string       // whom to throttle
	user     storage.User // zero: there is none of this name
	password storage.Secret
	cause    error // why there can be none
	refusal  Error // of a password that is not the user's
}

// prove checks a password, and tells whether its hash should be renewed.
//
// A refusal by the throttle or for want of a place comes at once. Every other
// failure is answered at the same time after it began, whether the user is
// unknown or disabled, the password wrong, or the stored hash of an odd format
// (RFC 6749 §4.3.2, §10.10), and holds no place in the pool while it waits.
// began is by the monotonic clock.
func (s *Server) prove(ctx context.Context, began time.Time, p proof) (rehash bool, err error) {
	addr := eventOf(ctx).addr
	if err := s.admit(p.name, addr)(); err != nil {
		s.signInFails(ctx, storage.EventSignInThrottled, p.user, "throttled")
		return false, err
	}
	result, err := s.passwords.Verify(ctx, p.user.PasswordHash, p.password, s.admit(p.name, addr))
	var refusal *Error
	switch {
	case errors.Is(err, password.ErrBusy):
		return false, errBusy.retryAfter(retryBusy).because(err)
	case errors.As(err, &refusal):
		s.signInFails(ctx, storage.EventSignInThrottled, p.user, "throttled")
		return false, err
	case err != nil && ctx.Err() != nil:
		return false, err
	case err == nil && result.Match && !p.user.Disabled:
		s.throttle.Succeeded(p.name, addr)
		return result.Rehash, nil
	}
	s.throttle.Failed(p.name, addr)
	if err == nil {
		err = whyNot(p.user, result.Match)
		s.signInFails(ctx, storage.EventSignInFailed, p.user, err.Error())
	} else {
		s.signInFails(ctx, storage.EventSignInFailed, p.user, "the stored hash cannot be used")
	}
	return false, s.refuseLate(ctx, began, p.refusal.because(errors.Join(p.cause, err)))
}

// refuseLate refuses a sign-in at the time of those that began then.
func (s *Server) refuseLate(ctx context.Context, began time.Time, refusal *Error) error {
	if err := s.waitUntil(ctx, began); err != nil {
		return err
	}
	return refusal
}

// admit is a look of the throttle. The second, when a place in the pool was
// found, lets few of many parallel guesses be hashed that passed the first.
func (s *Server) admit(name string, addr netip.Addr) func() error {
	return func() error {
		if wait, ok := s.throttle.Look(name, addr); !ok {
			return errThrottled.retryAfter(wait).because(fmt.Errorf("held off by the throttle for %s", wait))
		}
		return nil
	}
}

// whyNot is for the log: outside all of it looks alike (OWASP ASVS 5.0 §6.3.8).
func whyNot(user storage.User, match bool) error {
	switch {
	case user.Name == "":
		return errors.New("no such user")
	case user.Disabled && match:
		return errors.New("the user is disabled")
	}
	return errors.New("wrong password")
}

// waitUntil returns at the time at which failures that began then are answered.
func (s *Server) waitUntil(ctx context.Context, began time.Time) error {
	select {
	case s.failing <- struct{}{}:
		defer func() { <-s.failing }()
	default:
		return errBusy.retryAfter(retryBusy).because(errors.New("too many failed sign-ins at once"))
	}
	period := s.cfg.FailAfter
	late := time.Since(began) // on a machine so slow that the time is over, the next multiple
	timer := time.NewTimer((late/period+1)*period - late)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rehashed renews a hash made with other parameters than today's. Failing to
// is no reason to refuse a sign-in: the next one tries again.
func (s *Server) rehashed(ctx context.Context, user storage.User, pw storage.Secret, needed bool) storage.User {
	if !needed {
		return user
	}
	hash, err := s.passwords.Hash(ctx, pw)
	if err == nil {
		err = s.store.Rehash(ctx, user.ID, user.PasswordHash, hash)
	}
	if err != nil {
		eventOf(ctx).note(slog.String("rehash", err.Error()))
		return user
	}
	user.PasswordHash = hash
	return user
}
