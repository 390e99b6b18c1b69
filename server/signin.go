package server

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

const retryBusy = 2 * time.Second

// signIn returns the user whose name and password these are.
//
// A refusal by the throttle or for want of a place comes at once. Every other
// failure is answered at the same time after it began, whether the user is
// unknown or disabled, the password wrong, or the stored hash of an odd format
// (RFC 6749 §4.3.2, §10.10), and holds no place in the pool while it waits.
// began is by the monotonic clock.
func (s *Server) signIn(ctx context.Context, began time.Time, typed string, pw storage.Secret) (storage.User, error) {
	ev := eventOf(ctx)
	name, cause := password.UserName(typed)
	if cause != nil {
		name = typed // of no user; throttled and timed like any other
	}
	wait, admitted := s.throttle.Look(name, ev.addr)
	user, err := s.store.UserByName(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.User{}, err
	}
	if user.Name != "" { // a name that nobody has may be a password in the wrong field
		ev.note(slog.String("username", user.Name))
	}
	if !admitted {
		return storage.User{}, errThrottled.retryAfter(wait).because(nil)
	}
	result, err := s.passwords.Verify(ctx, user.PasswordHash, pw, s.admit(name, ev.addr))
	var refusal *Error
	switch {
	case errors.Is(err, password.ErrBusy):
		return storage.User{}, errBusy.retryAfter(retryBusy).because(err)
	case errors.As(err, &refusal), err != nil && ctx.Err() != nil:
		return storage.User{}, err
	case err == nil && result.Match && !user.Disabled:
		s.throttle.Succeeded(name, ev.addr)
		return s.rehashed(ctx, user, pw, result.Rehash), nil
	}
	s.throttle.Failed(name, ev.addr)
	if err == nil {
		err = whyNot(user, result.Match)
	}
	return storage.User{}, s.refuseLate(ctx, began, errors.Join(cause, err))
}

// refuseLate refuses a sign-in at the time of those that began then.
func (s *Server) refuseLate(ctx context.Context, began time.Time, cause error) error {
	if err := s.waitUntil(ctx, began); err != nil {
		return err
	}
	return errCredentials.because(cause)
}

// admit is the throttle's second look, when a place in the pool was found: of
// many parallel guesses that passed the first, few get to be hashed.
func (s *Server) admit(name string, addr netip.Addr) func() error {
	return func() error {
		if wait, ok := s.throttle.Look(name, addr); !ok {
			return errThrottled.retryAfter(wait).because(nil)
		}
		return nil
	}
}

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
