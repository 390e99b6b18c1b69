package storagetest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func auditCases() map[string]func(*store) {
	return map[string]func(*store){
		"a record is found as written":           auditKept,
		"what is too long is cut":                auditBounded,
		"all records of a call or none":          auditWhole,
		"whatever changes leaves its record":     auditChanges,
		"a record says what was done":            auditSays,
		"who acts is recorded":                   auditActor,
		"what changes nothing leaves none":       auditNothing,
		"an act on the ring says what it was":    auditRing,
		"a span is read from either end":         auditSpan,
		"numbers are never given twice":          auditNumbers,
		"what is too old goes":                   auditAge,
		"what is too many goes, kind by kind":    auditRows,
		"a slice of records is all that goes":    auditSlice,
		"records are in the order of their acts": auditOrder,
	}
}

// records returns those after a number.
func (s *store) records(after int64) []storage.Record {
	s.Helper()
	got, err := s.Records(s.Context(), storage.Span{After: after, Limit: 1 << 20})
	s.must(err)
	return got
}

// last is the number of the newest record; 0 without any.
func (s *store) last() int64 {
	s.Helper()
	got, err := s.Records(s.Context(), storage.Span{Limit: 1, Newest: true})
	s.must(err)
	if len(got) == 0 {
		return 0
	}
	return got[0].Number
}

func names(records []storage.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Event))
	}
	return strings.Join(out, " ")
}

func auditKept(s *store) {
	full := storage.Record{
		At: s.now, Event: storage.EventRefreshRetried, Actor: storage.Actor{Kind: storage.ByClient, Name: "web"}, User: uuid.New(),
		Client: "web", Session: storage.SessionID{1, 15: 2}, Address: "2001:db8::1", Request: "abc", Reason: "Ωmega é", Detail: storage.Detail{"n": "1", "list": []any{"a", "b"}},
	}
	bare := storage.Record{At: s.now, Event: storage.EventUnrecorded}
	s.must(s.Record(s.Context(), full, bare))
	s.must(s.Record(s.Context()))
	full.Number, bare.Number, bare.Actor = 1, 2, storage.Actor{Kind: storage.System}
	for range 2 {
		s.equal(s.records(0), []storage.Record{full, bare})
		s.reopen()
	}
}

func auditBounded(s *store) {
	long := strings.Repeat("é", storage.MaxAuditReason)
	s.must(s.Record(s.Context(),
		storage.Record{Event: storage.EventSignInFailed, Reason: long, Detail: storage.Detail{"x": strings.Repeat("x", storage.MaxAuditDetail)}},
		storage.Record{Event: storage.EventSignInFailed, Reason: "x" + long, Detail: storage.Detail{"x": "short"}}))
	got := s.records(0)
	for i, want := range []string{long[:storage.MaxAuditReason], "x" + long[:storage.MaxAuditReason-2]} {
		if got[i].Reason != want {
			s.Errorf("%d bytes of reason", len(got[i].Reason))
		}
	}
	if got[0].Detail["x"] != nil || got[0].Detail["left_out_bytes"] == nil || got[1].Detail["x"] != "short" {
		s.Errorf("%v", got)
	}
}

func auditWhole(s *store) {
	bad := storage.Record{Event: storage.EventUserAdd, Detail: storage.Detail{"f": func() {}}}
	if s.Record(s.Context(), storage.Record{Event: storage.EventUserAdd}, bad) == nil {
		s.Error("a function is recorded")
	}
	if got := s.records(0); len(got) > 0 {
		s.Errorf("%v is left", got)
	}
}

// leaves is what each verb of everyVerb records. A verb that is not here fails
// the case: say here what it leaves.
var leaves = map[string]storage.Event{
	"CreateUser": storage.EventUserAdd, "ChangeUser": storage.EventUserPasswd, "ChangeUser to disabled": storage.EventUserDisable,
	"RemoveUser": storage.EventUserRemove, "CreateClient": storage.EventClientAdd, "ChangeClient": storage.EventClientEdit,
	"RemoveClient": storage.EventClientRemove, "CreateSession": storage.EventSignIn, "EndSession": storage.EventSessionEnd,
	"EndSessions": storage.EventSessionEndAll, "EndMatching": storage.EventSessionsEnd, "ReplaceRing": storage.EventKeysAdvance, "Record": storage.EventSignInFailed,
	"CreateOperatorToken": storage.EventTokenAdd, "RemoveOperatorToken": storage.EventTokenRemove,

	"ExchangeToken": storage.EventExchange, "SpendTokens": storage.EventExchangeBlacklist,

	// Nothing: a refresh is not recorded (the session has it), nor is what
	// people do not do, and looking changes nothing.
	"RotateSession": "", "Rehash": "", "SweepSessions": "", "SweepRecords": "", "ReportReplica": "", "RemoveReplica": "", "Check": "", "SpentToken": "", "SweepSpent": "",
	"UserByName": "", "UserByID": "", "UserByForeignID": "", "Users": "", "ClientByID": "", "Clients": "", "SessionByID": "",
	"UserSessions": "", "Sessions": "", "OperatorToken": "", "OperatorTokens": "", "Replicas": "", "LoadRing": "", "ServiceTime": "", "Records": "",
}

func auditChanges(s *store) {
	verbs := everyVerb(s)
	first := []string{"CreateSession", "RotateSession", "EndSession", "EndSessions"}
	late := []string{"SweepSessions", "SweepRecords"}
	names := slices.SortedFunc(maps.Keys(verbs), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a, first, late), rank(b, first, late)), strings.Compare(a, b))
	})
	for _, name := range names {
		want, known := leaves[name]
		if !known {
			s.Errorf("%s: nobody says what it leaves in the audit", name)
		}
		before := s.last()
		ctx := storage.WithAct(s.Context(), &storage.Act{Actor: storage.Actor{Kind: storage.ByProgram, Name: "ops"}, Address: "192.0.2.9", Request: "req"})
		s.must(verbs[name](ctx, s.Backend))
		got := s.records(before)
		switch {
		case want == "" && len(got) > 0, want != "" && len(got) != 1:
			s.Errorf("%s leaves %v, want %q", name, got, want)
		case want != "" && (got[0].Event != want || got[0].Request != "req" || got[0].Address == "" || got[0].At.IsZero()):
			s.Errorf("%s leaves %+v, want %q", name, got[0], want)
		}
	}
}

func rank(name string, first, late []string) int {
	switch {
	case slices.Contains(first, name):
		return slices.Index(first, name)
	case slices.Contains(late, name):
		return 1001
	}
	return 1000
}

// auditSays goes through the life of a user and looks at what the records say.
func auditSays(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	from := s.last()
	d := s.login(ada, web, func(n *storage.NewSession) { n.Device = "Firefox on Linux" })
	old := d
	d = s.refreshed(d, storage.Rotated)
	s.AddService(2 * window)
	_, err := s.refresh(old, func(r *storage.Refresh) { r.Address = "203.0.113.7" })
	s.wants(storage.ErrReused, err)
	stays := s.login(ada, web)
	s.login(ada, web)
	_, _, err = s.ChangeUser(s.Context(), ada.ID, storage.UserChange{PasswordHash: new("next"), Name: new("ada l"), Keep: stays.token.SessionID(), Now: s.now})
	s.must(err)
	got := s.records(from)
	if names(got) != "sign_in refresh.reused sign_in sign_in user.passwd" {
		s.Fatalf("%s", names(got))
	}
	sid := d.token.SessionID()
	want := []storage.Record{
		{At: s.now, Event: storage.EventSignIn, Actor: storage.Actor{Kind: storage.ByUser}, User: ada.ID, Client: "web", Session: sid, Address: "192.0.2.1", Detail: storage.Detail{"device": "Firefox on Linux"}},
		{At: s.now, Event: storage.EventRefreshReused, Actor: storage.Actor{Kind: storage.ByClient, Name: "web"}, User: ada.ID, Client: "web", Session: sid, Address: "203.0.113.7", Reason: "reused",
			Detail: storage.Detail{"previous_address": "192.0.2.2", "generation": 0, "current_generation": 1}},
	}
	for i := range want {
		want[i].Number = got[i].Number
		var err error
		want[i], err = keepRecord(want[i])
		s.must(err)
	}
	s.equal(got[:2], want)
	change := got[4]
	change.Detail, err = kept(change.Detail)
	s.must(err)
	wanted, err := kept(storage.Detail{"changed": []string{"name", "password"}, "username": "ada l", "former_username": "ada", "sessions_ended": 1})
	s.must(err)
	s.equal(change.Detail, wanted)
	if change.Reason != string(storage.EndedPassword) || change.User != ada.ID || !change.At.Equal(s.now) || change.Actor.Kind != storage.System {
		s.Errorf("%+v", change)
	}
}

func auditActor(s *store) {
	act := &storage.Act{Actor: storage.Actor{Kind: storage.ByPerson, Name: "root"}, Address: storage.Local}
	ctx := storage.WithAct(s.Context(), act)
	s.must(s.CreateUser(ctx, s.aUser("ada")))
	act.Actor = storage.Actor{Kind: storage.ByProgram, Name: "deploy"}
	s.must(s.CreateUser(ctx, s.aUser("bob")))
	s.must(s.CreateUser(s.Context(), s.aUser("carol")))
	var got []storage.Actor
	for _, r := range s.records(0) {
		got = append(got, r.Actor)
	}
	s.equal(got, []storage.Actor{{Kind: storage.ByPerson, Name: "root"}, {Kind: storage.ByProgram, Name: "deploy"}, {Kind: storage.System}})
	if r := s.records(0)[0]; r.Address != storage.Local || time.Since(r.At) > time.Minute || r.At.Before(s.began.Add(-time.Second)) {
		s.Errorf("%+v", r)
	}
}

// auditNothing does what is refused, and what changes nothing.
func auditNothing(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	off := s.login(ada, web)
	_, err := s.EndSession(s.Context(), off.token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	s.must(s.ReplaceRing(s.Context(), 0, 1, nil))
	ctx, from := s.Context(), s.last()
	stale := s.aSession(ada, web)
	stale.PasswordHash = "another"
	taken := s.aSession(ada, web)
	taken.Token = d.token
	for what, act := range map[string]func() error{
		"a name that is taken": func() error { return s.CreateUser(ctx, s.aUser("ada")) },
		"a user who is not":    func() error { _, err := setPassword(ctx, s, uuid.New(), "x", s.now); return err },
		"a change that is stale": func() error {
			_, _, err := s.ChangeUser(ctx, ada.ID, storage.UserChange{If: new("x"), Name: new("y")})
			return err
		},
		"no change": func() error {
			_, _, err := s.ChangeUser(ctx, ada.ID, storage.UserChange{Name: new("ada"), Disabled: new(false)})
			return err
		},
		"nobody to remove":    func() error { _, err := s.RemoveUser(ctx, uuid.New()); return err },
		"an id that is taken": func() error { _, err := s.CreateClient(ctx, s.aClient("web")); return err },
		"no client":           func() error { return s.RemoveClient(ctx, "none") },
		"a client as it is": func() error {
			_, err := s.ChangeClient(ctx, "web", storage.ClientChange{Name: new("The web")})
			return err
		},
		"a public secret": func() error { _, err := s.ChangeClient(ctx, "web", storage.ClientChange{DropOld: true}); return err },
		"a stale login":   func() error { _, err := s.CreateSession(ctx, stale); return err },
		"a token in use":  func() error { _, err := s.CreateSession(ctx, taken); return err },
		"an end after the end": func() error {
			_, err := s.EndSession(ctx, off.token.SessionID(), storage.EndedRevoked, s.now)
			return err
		},
		"no session": func() error {
			_, err := s.EndSession(ctx, storage.SessionID{1}, storage.EndedRevoked, s.now)
			return err
		},
		"no sessions": func() error {
			_, err := s.EndSessions(ctx, uuid.New(), storage.SessionID{}, storage.EndedRevoked, s.now)
			return err
		},
		"a refresh":         func() error { _, err := s.refresh(d); return err },
		"a refused refresh": func() error { _, err := s.refresh(off); return err },
		"a ring of another": func() error { return s.ReplaceRing(ctx, 5, 6, nil) },
		"no token":          func() error { return s.RemoveOperatorToken(ctx, "none") },
	} {
		_ = act()
		if got := s.records(from); len(got) > 0 {
			s.Fatalf("%s leaves %v", what, got)
		}
	}
	if row := s.row(d.token); row.Generation != 1 {
		s.Errorf("the refresh did nothing: %+v", row)
	}
}

func auditRing(s *store) {
	act := &storage.Act{Actor: storage.Actor{Kind: storage.ByPerson, Name: "root"}, Address: storage.Local}
	ctx, intent := storage.Intending(storage.WithAct(s.Context(), act))
	intent.Set(storage.Record{Event: storage.EventKeysRotate})
	intent.Set(storage.Record{Event: storage.EventKeysRevoke, Reason: "leaked", Detail: storage.Detail{"kid": "k1"}}, storage.Record{Event: storage.EventKeysRevoke})
	s.must(s.ReplaceRing(ctx, 0, 7, nil))
	s.must(s.ReplaceRing(s.Context(), 7, 8, nil))
	got := s.records(0)
	if names(got) != "keys.revoke keys.revoke keys.advance" {
		s.Fatalf("%s", names(got))
	}
	want, err := kept(storage.Detail{"kid": "k1", "version": 7})
	s.must(err)
	s.equal(got[0].Detail, want)
	if got[0].Actor != act.Actor || got[0].Reason != "leaked" || got[2].Actor.Kind != storage.System {
		s.Errorf("%+v", got)
	}
}
