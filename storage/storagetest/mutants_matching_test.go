package storagetest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

var matchingMutants = map[string]mutant{
	"match ends the ended":     {func(m *Model) Backend { return matchesEnded{m} }, "matching/what matches is ended, and no other"},
	"match of any device":      {func(m *Model) Backend { return anyDevice{m} }, "matching/what matches is ended, and no other"},
	"match of any, histories":  {func(m *Model) Backend { return anyIdle{m} }, "histories"},
	"match skips":              {func(m *Model) Backend { return matchSkips{m} }, "matching/any slices cover the whole"},
	"match walks everybody's":  {func(m *Model) Backend { return everybodys{m} }, "matching/of one user, others are not seen"},
	"match of orphans":         {func(m *Model) Backend { return matchesOrphans{m} }, "matching/a removed client's are not there"},
	"match looked up too soon": {func(m *Model) Backend { return racyMatch{m} }, "matching/what is refreshed is not idle"},
}

type matchesEnded struct{ *Model }

func (b matchesEnded) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	with(b.Model, func(s *state) {
		for id, row := range s.sessions {
			if row.EndReason == storage.EndedLogout {
				s.sessions[id] = row.End(now, why)
			}
		}
	})
	return b.Model.EndMatching(ctx, after, limit, m, why, now)
}

type anyDevice struct{ *Model }

func (b anyDevice) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	m.Device = ""
	return b.Model.EndMatching(ctx, after, limit, m, why, now)
}

type anyIdle struct{ *Model }

func (b anyIdle) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	m.UsedBefore = time.Time{}
	return b.Model.EndMatching(ctx, after, limit, m, why, now)
}

type matchSkips struct{ *Model }

func (b matchSkips) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	next, ended, err := b.Model.EndMatching(ctx, after, limit, m, why, now)
	if next != (storage.SessionID{}) {
		next, _, err = b.Model.SweepSessions(ctx, next, 1, time.Time{})
	}
	return next, ended, err
}

type everybodys struct{ *Model }

func (b everybodys) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	user := m.User
	m.User = uuid.Nil
	next, _, err := b.Model.EndMatching(ctx, after, limit, storage.SessionMatch{Client: -1}, why, now) // looks, and ends none
	m.User = user
	_, ended, _ := b.Model.EndMatching(ctx, after, limit, m, why, now)
	return next, ended, err
}

type matchesOrphans struct{ *Model }

func (b matchesOrphans) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (storage.SessionID, []storage.SessionID, error) {
	next, ended, err := b.Model.EndMatching(ctx, after, limit, m, why, now)
	with(b.Model, func(s *state) {
		for id, row := range s.sessions {
			if _, there := s.clients[row.Client]; !there && m.Matches(row) {
				s.sessions[id], ended = row.End(now, why), append(ended, id)
			}
		}
	})
	return next, ended, err
}

type racyMatch struct{ *Model }

func (b racyMatch) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (next storage.SessionID, ended []storage.SessionID, err error) {
	with(b.Model, func(s *state) {
		for id, row := range s.sessions {
			if m.Matches(row) {
				ended = append(ended, id)
			}
		}
	})
	pause()
	for _, id := range ended {
		if _, err := b.Model.EndSession(ctx, id, why, now); err != nil {
			return next, nil, err
		}
	}
	return next, ended, nil
}
