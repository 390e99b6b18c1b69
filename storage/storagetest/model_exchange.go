package storagetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// ExchangeToken does what storage.Exchange says.
func (m *Model) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Refreshed{}, err
	}
	if spent, seen := s.spent[e.ID]; seen {
		if spent.Session == (storage.SessionID{}) {
			return storage.Refreshed{}, storage.ErrEnded
		}
		out, err := s.rotate(ctx, e.Again())
		if err == storage.ErrNotFound {
			err = storage.ErrEnded
		}
		return out, err
	}
	u, ok := storage.User{}, false
	for _, other := range s.users {
		if other.ForeignID == e.User && e.User != "" {
			u, ok = other, true
		}
	}
	client, there := s.clients[e.Client]
	if !ok || !there {
		return storage.Refreshed{}, storage.ErrNotFound
	}
	if u, err = keepUser(u); err != nil {
		return storage.Refreshed{}, err
	}
	c, err := keepClient(client)
	if err != nil {
		return storage.Refreshed{}, err
	}
	out, err := e.Begin(u, c, s.at)
	if err != nil {
		return out, err
	}
	if _, taken := s.sessions[out.Session.ID]; taken {
		return storage.Refreshed{}, storage.ErrConflict
	}
	s.spent[e.ID] = keepSpent(e.Spends())
	s.begin(u, keepSession(out.Session))
	return out, s.record(ctx, e.TokenExchanged(out))
}

// SpentToken reports ErrNotFound.
func (m *Model) SpentToken(ctx context.Context, id storage.Digest) (storage.Spent, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Spent{}, err
	}
	spent, ok := s.spent[id]
	if !ok {
		return storage.Spent{}, storage.ErrNotFound
	}
	return spent, nil
}

// SpendTokens adds those that are not there yet.
func (m *Model) SpendTokens(ctx context.Context, tokens ...storage.Spent) (int, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var added []storage.Spent
	for _, t := range tokens {
		if _, there := s.spent[t.ID]; !there {
			s.spent[t.ID] = keepSpent(t)
			added = append(added, t)
		}
	}
	if len(added) == 0 {
		return 0, nil
	}
	return len(added), s.record(ctx, storage.TokensSpent(added))
}

// SweepSpent removes those that were over first.
func (m *Model) SweepSpent(ctx context.Context, limit int, now time.Time) (removed int, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	all := slices.SortedFunc(maps.Values(s.spent), func(a, b storage.Spent) int {
		return cmp.Compare(a.ExpiresAt.UnixMicro(), b.ExpiresAt.UnixMicro())
	})
	for _, t := range all {
		if removed < limit && t.RemovableAt(now) {
			delete(s.spent, t.ID)
			removed++
		}
	}
	return removed, nil
}

func keepSpent(t storage.Spent) storage.Spent {
	return storage.Spent{ID: t.ID, Session: t.Session, ExpiresAt: whole(t.ExpiresAt)}
}
