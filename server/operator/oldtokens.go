package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A BlacklistedToken is a refresh token that Simple JWT does not take any more.
type BlacklistedToken struct {
	ID        string // jti
	ExpiresAt time.Time
}

// BlacklistCounts are what became of the tokens of a blacklist.
type BlacklistCounts struct {
	Added   int `json:"added"`
	There   int `json:"there"`   // before: blacklisted, or exchanged already
	Expired int `json:"expired"` // refused in any case
	Ended   int `json:"sessions_ended"`
}

// Blacklist takes over what another system has blacklisted, so that nobody comes
// over with a token that was logged out there, and ends the sessions of those
// who have. Again it is no different. read calls back with each token.
func (o *Operator) Blacklist(ctx context.Context, read func(each func(BlacklistedToken) error) error) (counts BlacklistCounts, err error) {
	var waiting []storage.Spent
	add := func() error {
		added, err := o.Spent.SpendTokens(ctx, waiting...)
		if err != nil {
			return fmt.Errorf("keep blacklisted tokens: %w", err)
		}
		counts.Added, counts.There = counts.Added+added, counts.There+len(waiting)-added
		if added < len(waiting) {
			ended, err := o.endBegun(ctx, waiting)
			counts.Ended += ended
			if err != nil {
				return fmt.Errorf("end the sessions of blacklisted tokens: %w", err)
			}
		}
		waiting = waiting[:0]
		return nil
	}
	now := o.now()
	err = read(func(t BlacklistedToken) error {
		spent := storage.Spent{ID: storage.SpentID(t.ID), ExpiresAt: t.ExpiresAt}
		if spent.RemovableAt(now) {
			counts.Expired++
			return nil
		}
		if waiting = append(waiting, spent); len(waiting) < pageSize {
			return nil
		}
		return add()
	})
	if err == nil && len(waiting) > 0 {
		err = add()
	}
	if counts.Added > 0 || counts.Ended > 0 {
		o.record(ctx, "exchange.blacklist", slog.Int("added", counts.Added), slog.Int("sessions_ended", counts.Ended))
	}
	return counts, err
}

// endBegun ends the sessions that began with some tokens, and tells how many
// lived: who logged out there has logged out, though it was after the exchange,
// or before it and known too late.
func (o *Operator) endBegun(ctx context.Context, tokens []storage.Spent) (ended int, err error) {
	now := o.now()
	for _, t := range tokens {
		session, err := o.begun(ctx, t.ID)
		if err == nil && session.EndedAt.IsZero() && !session.ExpiredAt(now) {
			if _, err = o.Sessions.EndSession(ctx, session.ID, storage.EndedLogout, now); err == nil {
				ended++
			}
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) { // gone is as good as ended
			return ended, err
		}
	}
	return ended, nil
}

// begun finds the session that a token began; ErrNotFound if none did, or its
// row is gone.
func (o *Operator) begun(ctx context.Context, id storage.Digest) (storage.SessionEntry, error) {
	spent, err := o.Spent.SpentToken(ctx, id)
	switch {
	case err != nil:
		return storage.SessionEntry{}, err
	case spent.Session == storage.SessionID{}:
		return storage.SessionEntry{}, storage.ErrNotFound
	}
	return o.Sessions.SessionByID(ctx, spent.Session)
}

// ComeCounts tell how far a move to here is.
type ComeCounts struct {
	Imported int `json:"imported"` // users with an id of another system
	Come     int `json:"come"`
	Disabled int `json:"disabled"` // of those who have not come, who cannot
}

// NotCome calls each with the users who were imported and have not been here yet:
// no session began, and the password is still the one of the other system.
func (o *Operator) NotCome(ctx context.Context, each func(storage.User) error) (counts ComeCounts, err error) {
	err = o.ListUsers(ctx, func(u storage.User) error {
		if u.ForeignID == "" {
			return nil
		}
		counts.Imported++
		if u.HasCome() {
			counts.Come++
			return nil
		}
		if u.Disabled {
			counts.Disabled++
		}
		return each(u)
	})
	return counts, err
}
