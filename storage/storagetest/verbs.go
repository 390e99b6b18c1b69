package storagetest

import (
	"context"
	"maps"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// everyVerb calls each verb of a backend once with arguments that work, in any
// order but for those that say so. A name may go on after the verb's.
func everyVerb(s *store) map[string]func(context.Context, Backend) error {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	d := s.login(ada, web)
	s.must(s.ReplaceRing(s.Context(), 0, 1, []byte("ring")))
	s.addForeign("foreign", "23")
	_, err := s.SpendTokens(s.Context(), storage.Spent{ID: storage.SpentID("over"), ExpiresAt: s.now.Add(-time.Hour)},
		storage.Spent{ID: storage.SpentID("spent"), ExpiresAt: s.now.Add(time.Hour)})
	s.must(err)
	verbs := map[string]func(context.Context, Backend) error{
		"CreateUser": func(ctx context.Context, b Backend) error { return b.CreateUser(ctx, s.aUser("carol")) },
		"UserByName": func(ctx context.Context, b Backend) error { _, err := b.UserByName(ctx, "ada"); return err },
		"Users":      func(ctx context.Context, b Backend) error { _, err := b.Users(ctx, "", 10); return err },
		"ChangeUser": func(ctx context.Context, b Backend) error {
			_, err := setPassword(ctx, b, bob.ID, "new", s.now)
			return err
		},
		"Rehash": func(ctx context.Context, b Backend) error { return b.Rehash(ctx, ada.ID, ada.PasswordHash, "stronger") },
		"ChangeUser to disabled": func(ctx context.Context, b Backend) error { // refreshes are refused after it
			_, err := setDisabled(ctx, b, ada.ID, true, s.now)
			return err
		},
		"CreateClient": func(ctx context.Context, b Backend) error {
			_, err := b.CreateClient(ctx, s.aClient("app"))
			return err
		},
		"ClientByID": func(ctx context.Context, b Backend) error { _, err := b.ClientByID(ctx, "web"); return err },
		"Clients":    func(ctx context.Context, b Backend) error { _, err := b.Clients(ctx); return err },
		"CreateSession": func(ctx context.Context, b Backend) error { // not after a rehash
			_, err := b.CreateSession(ctx, s.aSession(ada, web))
			return err
		},
		"RotateSession": func(ctx context.Context, b Backend) error { _, err := b.RotateSession(ctx, s.request(d)); return err },
		"SweepSessions": func(ctx context.Context, b Backend) error { // leaves no session
			_, _, err := b.SweepSessions(ctx, storage.SessionID{}, 10, s.now.Add(10*absolute))
			return err
		},
		"ExchangeToken": func(ctx context.Context, b Backend) error {
			_, err := b.ExchangeToken(ctx, s.aForeign("one", "23", web))
			return err
		},
		"SpentToken": func(ctx context.Context, b Backend) error {
			_, err := b.SpentToken(ctx, storage.SpentID("spent"))
			return err
		},
		"SpendTokens": func(ctx context.Context, b Backend) error {
			_, err := b.SpendTokens(ctx, storage.Spent{ID: storage.SpentID("two"), ExpiresAt: s.now})
			return err
		},
		"SweepSpent": func(ctx context.Context, b Backend) error { // there must be one that is over
			_, err := b.SweepSpent(ctx, 1, s.now.Add(storage.KeepEnded))
			return err
		},
		"LoadRing":    func(ctx context.Context, b Backend) error { _, _, err := b.LoadRing(ctx); return err },
		"ReplaceRing": func(ctx context.Context, b Backend) error { return b.ReplaceRing(ctx, 1, 2, []byte("next")) },
		"ServiceTime": func(ctx context.Context, b Backend) error { _, err := b.ServiceTime(ctx); return err },
		"Check":       func(ctx context.Context, b Backend) error { return b.Check(ctx) },
	}
	maps.Copy(verbs, peopleVerbs(s, web))
	return verbs
}

// peopleVerbs are the verbs by which people look after a store, on records of their own.
func peopleVerbs(s *store, web storage.Client) map[string]func(context.Context, Backend) error {
	grace := s.aUser("grace")
	grace.ForeignID = "17"
	s.must(s.CreateUser(s.Context(), grace))
	eve, old, token := s.addUser("eve"), s.addClient("old"), s.addToken("deploy")
	seen, also := s.login(grace, web), s.login(eve, old)
	zoe, gone := s.addUser("zoe"), s.addReplica("gone", 1)
	s.login(zoe, web)
	last := s.addUser("last")
	s.login(last, web)
	s.addToken("leaked")
	return map[string]func(context.Context, Backend) error{
		"UserByID":        func(ctx context.Context, b Backend) error { _, err := b.UserByID(ctx, grace.ID); return err },
		"UserByForeignID": func(ctx context.Context, b Backend) error { _, err := b.UserByForeignID(ctx, "17"); return err },
		"RemoveUser":      func(ctx context.Context, b Backend) error { _, err := b.RemoveUser(ctx, eve.ID); return err },
		"ChangeClient": func(ctx context.Context, b Backend) error {
			_, err := b.ChangeClient(ctx, "web", storage.ClientChange{Name: new("renamed")})
			return err
		},
		"RemoveClient": func(ctx context.Context, b Backend) error { return b.RemoveClient(ctx, "old") },
		"SessionByID": func(ctx context.Context, b Backend) error {
			_, err := b.SessionByID(ctx, seen.token.SessionID())
			return err
		},
		"UserSessions": func(ctx context.Context, b Backend) error { _, err := b.UserSessions(ctx, grace.ID, 10); return err },
		"Sessions": func(ctx context.Context, b Backend) error {
			_, err := b.Sessions(ctx, also.token.SessionID(), 10)
			return err
		},
		"EndSession": func(ctx context.Context, b Backend) error {
			_, err := b.EndSession(ctx, seen.token.SessionID(), storage.EndedRevoked, s.now)
			return err
		},
		"EndSessions": func(ctx context.Context, b Backend) error {
			_, err := b.EndSessions(ctx, zoe.ID, storage.SessionID{}, storage.EndedRevoked, s.now)
			return err
		},
		"ReportReplica": func(ctx context.Context, b Backend) error { return b.ReportReplica(ctx, s.aReplica("web-1", 2)) },
		"Replicas":      func(ctx context.Context, b Backend) error { _, err := b.Replicas(ctx); return err },
		"RemoveReplica": func(ctx context.Context, b Backend) error { return b.RemoveReplica(ctx, gone.ID) },
		"Record": func(ctx context.Context, b Backend) error {
			return b.Record(ctx, storage.Record{Event: storage.EventSignInFailed})
		},
		"Records": func(ctx context.Context, b Backend) error {
			_, err := b.Records(ctx, storage.Span{Limit: 10})
			return err
		},
		"SweepRecords": func(ctx context.Context, b Backend) error {
			_, err := b.SweepRecords(ctx, storage.DefaultRetention(), 10, s.now)
			return err
		},
		"EndMatching": func(ctx context.Context, b Backend) error { // there must be one to end
			_, _, err := b.EndMatching(ctx, storage.SessionID{}, 10, storage.SessionMatch{User: last.ID}, storage.EndedRevoked, s.now)
			return err
		},
		"CreateOperatorToken": func(ctx context.Context, b Backend) error { return b.CreateOperatorToken(ctx, s.aToken("new")) },
		"OperatorToken":       func(ctx context.Context, b Backend) error { _, err := b.OperatorToken(ctx, token.Digest); return err },
		"OperatorTokens":      func(ctx context.Context, b Backend) error { _, err := b.OperatorTokens(ctx); return err },
		"RemoveOperatorToken": func(ctx context.Context, b Backend) error { return b.RemoveOperatorToken(ctx, "leaked") },
	}
}
