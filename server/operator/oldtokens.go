package operator

import (
	"context"
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
}

// Blacklist takes over what another system has blacklisted, so that nobody comes
// over with a token that was logged out there. Again it is no different: what
// is there stays as it is. read calls back with each token.
func (o *Operator) Blacklist(ctx context.Context, read func(each func(BlacklistedToken) error) error) (counts BlacklistCounts, err error) {
	var waiting []storage.Spent
	add := func() error {
		added, err := o.Spent.SpendTokens(ctx, waiting...)
		if err != nil {
			return fmt.Errorf("keep blacklisted tokens: %w", err)
		}
		counts.Added, counts.There = counts.Added+added, counts.There+len(waiting)-added
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
	if counts.Added > 0 {
		o.record(ctx, "exchange.blacklist", slog.Int("added", counts.Added))
	}
	return counts, err
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
