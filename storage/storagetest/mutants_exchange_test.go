package storagetest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

var exchangeMutants = map[string]mutant{
	"a token is known by its session":  {func(m *Model) Backend { return sessionKnows{m} }, "exchange/once, also when the session is long gone"},
	"a token is known by nothing":      {func(m *Model) Backend { return exchangesTwice{m} }, "exchange/a token is taken once, but for retries"},
	"exchange by chance":               {func(m *Model) Backend { return racyExchange{m} }, "exchange/one token, fifty exchanges"},
	"exchange beside the blacklist":    {func(m *Model) Backend { return racyExchange{m} }, "exchange/one token, exchanged and blacklisted at once"},
	"exchange, reuse rolled back":      {func(m *Model) Backend { return exchangeRollsBack{m} }, "exchange/a token is taken once, but for retries"},
	"a refused exchange is remembered": {func(m *Model) Backend { return exchangeRemembers{m} }, "exchange/a refusal costs nothing"},
	"old tokens outlive a password":    {func(m *Model) Backend { return exchangesOld{m} }, "exchange/what ends all sessions ends the tokens"},
	"old tokens, in histories":         {func(m *Model) Backend { return exchangesOld{m} }, "histories"},
	"old tokens outlive all sessions":  {func(m *Model) Backend { return marksNothing{m} }, "exchange/what ends all sessions ends the tokens"},
	"the blacklist overwrites":         {func(m *Model) Backend { return spendsAgain{m} }, "exchange/a blacklisted token begins nothing"},
	"tokens forgotten too early":       {func(m *Model) Backend { return forgetsEarly{m} }, "exchange/what is over for a day is forgotten"},
	"a user comes again":               {func(m *Model) Backend { return comesAgain{m} }, "exchange/a user comes once"},
}

// sessionKnows forgets a token with its session.
type sessionKnows struct{ *Model }

func (b sessionKnows) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (storage.SessionID, int, error) {
	next, n, err := b.Model.SweepSessions(ctx, after, limit, now)
	with(b.Model, func(s *state) {
		for id, spent := range s.spent {
			if _, there := s.sessions[spent.Session]; !there {
				delete(s.spent, id)
			}
		}
	})
	return next, n, err
}

// exchangesTwice begins another session each time.
type exchangesTwice struct{ *Model }

func (b exchangesTwice) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	with(b.Model, func(s *state) {
		if s.spent[e.ID].Session != (storage.SessionID{}) {
			delete(s.spent, e.ID)
			delete(s.sessions, e.Token.SessionID())
		}
	})
	return b.Model.ExchangeToken(ctx, e)
}

// racyExchange looks whether the token was seen, and writes when it may have been.
type racyExchange struct{ *Model }

func (b racyExchange) ExchangeToken(ctx context.Context, e storage.Exchange) (out storage.Refreshed, err error) {
	if _, err := b.SpentToken(ctx, e.ID); err == nil {
		return b.Model.ExchangeToken(ctx, e)
	}
	with(b.Model, func(s *state) {
		for _, u := range s.users {
			if u.ForeignID == e.User {
				out, err = e.Begin(u, s.clients[e.Client], s.at)
			}
		}
	})
	pause()
	with(b.Model, func(s *state) { s.spent[e.ID], s.sessions[out.Session.ID] = e.Spends(), out.Session })
	return out, err
}

type exchangeRollsBack struct{ *Model }

func (b exchangeRollsBack) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	before := rowOf(b.Model, e.Token)
	out, err := b.Model.ExchangeToken(ctx, e)
	if err == storage.ErrReused {
		with(b.Model, func(s *state) { s.sessions[before.ID] = before })
	}
	return out, err
}

type exchangeRemembers struct{ *Model }

func (b exchangeRemembers) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	out, err := b.Model.ExchangeToken(ctx, e)
	if err == storage.ErrDisabled {
		with(b.Model, func(s *state) { s.spent[e.ID] = e.Spends() })
	}
	return out, err
}

type exchangesOld struct{ *Model }

func (b exchangesOld) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	e.IssuedAt = e.Now.Add(time.Hour)
	return b.Model.ExchangeToken(ctx, e)
}

type marksNothing struct{ *Model }

func (b marksNothing) EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (int, error) {
	var before storage.User
	with(b.Model, func(s *state) { before = s.users[user] })
	n, err := b.Model.EndSessions(ctx, user, keep, why, now)
	with(b.Model, func(s *state) { s.users[user] = before })
	return n, err
}

type spendsAgain struct{ *Model }

func (b spendsAgain) SpendTokens(ctx context.Context, tokens ...storage.Spent) (int, error) {
	with(b.Model, func(s *state) {
		for _, t := range tokens {
			if s.spent[t.ID].Session != (storage.SessionID{}) {
				delete(s.spent, t.ID)
			}
		}
	})
	return b.Model.SpendTokens(ctx, tokens...)
}

type forgetsEarly struct{ *Model }

func (b forgetsEarly) SweepSpent(ctx context.Context, limit int, now time.Time) (int, error) {
	return b.Model.SweepSpent(ctx, limit, now.Add(storage.KeepEnded))
}

type comesAgain struct{ *Model }

func (b comesAgain) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	with(b.Model, func(s *state) {
		if u, ok := s.users[n.User]; ok {
			u.CameAt = time.Time{}
			s.users[n.User] = u
		}
	})
	return b.Model.CreateSession(ctx, n)
}
