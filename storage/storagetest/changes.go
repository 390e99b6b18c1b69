package storagetest

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func changeCases() map[string]func(*store) {
	return map[string]func(*store){
		"a user is found as changed":          changesKept,
		"a user is found by each id":          changesFound,
		"a refused change changes nothing":    changesRefused,
		"a change on condition":               changesIf,
		"a change of certain claims":          changesIfClaims,
		"an import that is run again":         changesImport,
		"one session goes on":                 changesKeep,
		"what is no reason ends nothing":      changesEndNothing,
		"a name and a foreign id come free":   changesFree,
		"an unknown user cannot be changed":   changesUnknown,
		"what a change was given is not kept": changesCopied,
	}
}

// change expects a change to be made, and returns the user that it was said to make.
func (s *store) change(u storage.User, c storage.UserChange) (after storage.User, ended int) {
	s.Helper()
	c.Now = s.now
	after, ended, err := s.ChangeUser(s.Context(), u.ID, c)
	s.must(err)
	return after, ended
}

// isUser expects a user to be found as such, by whatever it can be found by.
func (s *store) isUser(want storage.User) {
	s.Helper()
	got, err := s.UserByID(s.Context(), want.ID)
	s.must(err)
	s.equal(got, want)
	got, err = s.UserByName(s.Context(), want.Name)
	s.must(err)
	s.equal(got, want)
	if want.ForeignID != "" {
		got, err = s.UserByForeignID(s.Context(), want.ForeignID)
		s.must(err)
		s.equal(got, want)
	}
}

func (s *store) noUser(name, foreign string) {
	s.Helper()
	_, err := s.UserByName(s.Context(), name)
	s.wants(storage.ErrNotFound, err)
	_, err = s.UserByForeignID(s.Context(), foreign)
	s.wants(storage.ErrNotFound, err)
}

// What the verb returns is what is found afterwards, and it is what the change
// says, to the letter.
func changesKept(s *store) {
	bob := s.addUser("bob")
	u := s.addUser("ada")
	claims := storage.UserClaims{Roles: []string{"admin"}, Extra: map[string]any{"level": 7, "tags": []string{"x"}, "none": nil}}
	read := storage.UserClaims{Roles: []string{"admin"}, Extra: map[string]any{"level": json.Number("7"), "tags": []any{"x"}, "none": nil}}
	for _, c := range []struct {
		change storage.UserChange
		want   func(*storage.User)
	}{
		{storage.UserChange{}, func(*storage.User) {}},
		{storage.UserChange{Name: new("Ωmega é")}, func(u *storage.User) { u.Name = "Ωmega é" }},
		{storage.UserChange{ForeignID: new("django:17")}, func(u *storage.User) { u.ForeignID = "django:17" }},
		{storage.UserChange{Claims: &claims}, func(u *storage.User) { u.Claims = read }},
		{storage.UserChange{PasswordHash: new("next")}, func(u *storage.User) { u.PasswordHash = "next" }},
		{storage.UserChange{ImportHash: new("legacy")}, func(u *storage.User) {
			u.PasswordHash, u.Imported = "legacy", storage.ImportDigest("legacy")
		}},
		{storage.UserChange{Disabled: new(true)}, func(u *storage.User) { u.Disabled = true }},
		{storage.UserChange{Name: new("Ωmega é"), ForeignID: new("django:17")}, func(*storage.User) {}}, // the user's own
		{storage.UserChange{
			Name: new("ada"), PasswordHash: new(""), Disabled: new(false), Claims: &storage.UserClaims{}, ForeignID: new(""),
		}, func(u *storage.User) {
			u.Name, u.PasswordHash, u.Disabled, u.Claims, u.ForeignID = "ada", "", false, storage.UserClaims{}, ""
		}},
	} {
		c.want(&u)
		got, _ := s.change(u, c.change)
		s.equal(got, u)
		s.isUser(u)
		s.reopen()
		s.isUser(u)
		s.isUser(bob)
	}
}

func changesFound(s *store) {
	ada, bob := s.aUser("ada"), s.addUser("bob") // bob has no foreign id
	ada.ForeignID, ada.Imported = "a:17", storage.ImportDigest("legacy")
	s.must(s.CreateUser(s.Context(), ada))
	for range 2 {
		s.isUser(ada)
		s.isUser(bob)
		s.reopen()
	}
	for _, foreign := range []string{"", "A:17", "a:1", "a:177", "a:17 ", "a%", "ada", "bob"} {
		_, err := s.UserByForeignID(s.Context(), foreign)
		s.wants(storage.ErrNotFound, err)
	}
	for _, id := range []uuid.UUID{{}, uuid.New(), {0: 1}, uuid.Max} {
		_, err := s.UserByID(s.Context(), id)
		s.wants(storage.ErrNotFound, err)
	}
}

// A change that is refused leaves the user, the other one, and the sessions.
func changesRefused(s *store) {
	bob, web := s.aUser("bob"), s.addClient("web")
	bob.ForeignID = "18"
	s.must(s.CreateUser(s.Context(), bob))
	ada := s.addUser("ada")
	hers, his := s.login(ada, web), s.login(bob, web)
	for name, c := range map[string]storage.UserChange{
		"name":              {Name: new("bob")},
		"name and more":     {Name: new("bob"), PasswordHash: new("next"), Disabled: new(true), Claims: &storage.UserClaims{Roles: []string{"x"}}},
		"foreign id":        {ForeignID: new("18")},
		"foreign and more":  {ForeignID: new("18"), Name: new("carol"), ImportHash: new("legacy")},
		"name and foreign":  {Name: new("carol"), ForeignID: new("18"), PasswordHash: new("next")},
		"foreign and name":  {Name: new("bob"), ForeignID: new("19"), Disabled: new(true)},
		"another condition": {If: new("old"), Name: new("carol"), ForeignID: new("19"), PasswordHash: new("next"), Disabled: new(true)},
	} {
		c.Now = s.now
		_, ended, err := s.ChangeUser(s.Context(), ada.ID, c)
		if verdict(err) != storage.ErrConflict || ended != 0 {
			s.Fatalf("%s: %d ended, %v", name, ended, err)
		}
		s.isUser(ada)
		s.isUser(bob)
		s.noUser("carol", "19")
		s.live(hers.token)
		s.live(his.token)
	}
	s.reopen()
	s.isUser(ada)
	s.isUser(bob)
	s.refreshed(hers, storage.Rotated)
}

func changesIf(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	for _, other := range []string{"", "hash of bob", "HASH OF ADA", "hash of ada "} {
		_, _, err := s.ChangeUser(s.Context(), ada.ID, storage.UserChange{If: &other, PasswordHash: new("stolen"), Now: s.now})
		s.wants(storage.ErrConflict, err)
	}
	s.live(d.token)
	if _, ended := s.change(ada, storage.UserChange{If: new("hash of ada"), PasswordHash: new("next")}); ended != 1 {
		s.Errorf("%d sessions ended", ended)
	}
	ada.PasswordHash = "next"
	s.isUser(ada)
	_, _, err := s.ChangeUser(s.Context(), ada.ID, storage.UserChange{If: new("hash of ada"), PasswordHash: new("stolen"), Now: s.now})
	s.wants(storage.ErrConflict, err)
	s.isUser(ada)
}

// Of two who read the same claims, the second must read them again.
func changesIfClaims(s *store) {
	ada := s.aUser("ada")
	ada.Claims = storage.UserClaims{Roles: []string{"a"}, Extra: map[string]any{"level": json.Number("7.5"), "tags": []any{"<x>"}}}
	s.must(s.CreateUser(s.Context(), ada))
	for _, groups := range [][]string{{"g"}, nil} {
		before, after := ada.Claims, ada.Claims
		after.Groups = groups
		ada.Claims = after
		got, _ := s.change(ada, storage.UserChange{Claims: &after, IfClaims: &before})
		s.equal(got, ada)
		_, _, err := s.ChangeUser(s.Context(), ada.ID, storage.UserChange{Claims: &storage.UserClaims{}, IfClaims: &before, Name: new("x"), Now: s.now})
		s.wants(storage.ErrConflict, err)
		s.isUser(ada)
	}
}

// Whoever runs an import again undoes nothing that was done since.
func changesImport(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	legacy := storage.UserChange{ImportHash: new("legacy")}
	again := func(what string) {
		s.Helper()
		d := s.login(ada, web)
		for range 2 {
			got, ended := s.change(ada, legacy)
			if ended != 0 {
				s.Errorf("%s: %d sessions ended", what, ended)
			}
			s.equal(got, ada)
			s.isUser(ada)
			s.live(d.token)
			s.reopen()
		}
	}
	before := s.login(ada, web)
	if _, ended := s.change(ada, legacy); ended != 1 {
		s.Errorf("%d sessions ended", ended)
	}
	s.ended(before.token, storage.EndedPassword)
	ada.PasswordHash, ada.Imported = "legacy", storage.ImportDigest("legacy")
	again("at once")

	s.must(s.Rehash(s.Context(), ada.ID, "legacy", "of our own"))
	ada.PasswordHash = "of our own"
	again("after a rehash")

	s.change(ada, storage.UserChange{PasswordHash: new("next")})
	ada.PasswordHash = "next"
	again("after a new password")

	s.change(ada, storage.UserChange{Name: new("countess"), ForeignID: new("17")})
	ada.Name, ada.ForeignID = "countess", "17"
	again("after a rename")

	d := s.login(ada, web)
	s.change(ada, storage.UserChange{ImportHash: new("legacy 2")}) // the password was changed there
	s.ended(d.token, storage.EndedPassword)
	ada.PasswordHash, ada.Imported = "legacy 2", storage.ImportDigest("legacy 2")
	s.isUser(ada)

	bob := s.addUser("bob") // has what is imported already
	d = s.login(bob, web)
	s.change(bob, storage.UserChange{ImportHash: new(bob.PasswordHash)})
	bob.Imported = storage.ImportDigest(bob.PasswordHash)
	s.isUser(bob)
	s.live(d.token)
}

// The one session that a change is told to keep goes on.
func changesKeep(s *store) {
	web := s.addClient("web")
	for i, c := range []storage.UserChange{{PasswordHash: new("next")}, {Disabled: new(true)}, {ImportHash: new("legacy")}} {
		u := s.addUser(string(rune('a' + i)))
		mine, other, expired := s.login(u, web), s.login(u, web), s.login(u, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-2 * idle) })
		c.Keep = mine.token.SessionID()
		if _, ended := s.change(u, c); ended != 2 {
			s.Errorf("%d sessions ended, want 2", ended)
		}
		s.live(mine.token)
		for _, d := range []device{other, expired} {
			if s.row(d.token).EndedAt.IsZero() {
				s.Error("another session goes on")
			}
		}
	}
	bob, carol := s.addUser("bob"), s.addUser("carol")
	his, hers := s.login(bob, web), s.login(carol, web)
	s.change(bob, storage.UserChange{PasswordHash: new("next"), Keep: hers.token.SessionID()}) // not bob's to keep
	s.ended(his.token, storage.EndedPassword)
	s.refreshed(hers, storage.Rotated)
}

func changesEndNothing(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	row := s.row(d.token)
	for _, c := range []storage.UserChange{
		{}, {Name: new("countess")}, {Claims: &storage.UserClaims{Roles: []string{"x"}}}, {ForeignID: new("17")}, {Disabled: new(false)},
		{If: new(ada.PasswordHash), Name: new("ada")}, {ForeignID: new("")}, {Keep: d.token.SessionID()},
	} {
		if _, ended := s.change(ada, c); ended != 0 {
			s.Errorf("%d sessions ended by %+v", ended, c)
		}
		s.equal(s.row(d.token), row)
	}
	out, err := s.refresh(d)
	s.must(err)
	s.equal(out.User.Claims.Roles, []string{"x"}) // as they are now
}

func changesFree(s *store) {
	ada, bob := s.aUser("ada"), s.addUser("bob")
	ada.ForeignID = "17"
	s.must(s.CreateUser(s.Context(), ada))
	s.change(ada, storage.UserChange{Name: new("countess"), ForeignID: new("")})
	s.noUser("ada", "17")
	s.change(bob, storage.UserChange{Name: new("ada"), ForeignID: new("17")})
	bob.Name, bob.ForeignID = "ada", "17"
	ada.Name, ada.ForeignID = "countess", ""
	s.isUser(bob)
	s.isUser(ada)
	s.addUser("bob")
	s.change(bob, storage.UserChange{ForeignID: new("")}) // two without one
	bob.ForeignID = ""
	for range 2 {
		s.isUser(bob)
		s.noUser("carol", "17")
		s.reopen()
	}
}

func changesUnknown(s *store) {
	ada := s.addUser("ada")
	for _, c := range []storage.UserChange{
		{}, {PasswordHash: new("x")}, {ImportHash: new("x")}, {Name: new("ada")}, {Name: new("free")}, {ForeignID: new("17")}, {If: new("x")},
	} {
		_, ended, err := s.ChangeUser(s.Context(), uuid.New(), c)
		if verdict(err) != storage.ErrNotFound || ended != 0 {
			s.Errorf("%d ended, %v", ended, err)
		}
	}
	s.isUser(ada)
	s.noUser("free", "17")
}

func changesCopied(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	claims := storage.UserClaims{Roles: []string{"staff"}, Extra: map[string]any{"level": "1"}}
	after, _ := s.change(ada, storage.UserChange{Claims: &claims})
	policy := web.ClientPolicy
	policy.Scopes = []string{"read"}
	secret := storage.Digest{1}
	changed := s.addClient("app", func(c *storage.Client) { c.AuthMethod = storage.AuthBasic })
	changed, err := s.ChangeClient(s.Context(), "app", storage.ClientChange{Policy: &policy, AddSecret: &secret})
	s.must(err)
	claims.Roles[0], claims.Extra["level"] = "admin", "9"
	policy.Scopes[0], secret = "everything", storage.Digest{2}
	for range 2 {
		after.Claims.Roles[0], after.Claims.Extra["level"] = "admin", "9"
		changed.Scopes[0], changed.Secrets[0] = "everything", storage.Digest{2}
		after, err = s.UserByID(s.Context(), ada.ID)
		s.must(err)
		changed, err = s.ClientByID(s.Context(), "app")
		s.must(err)
		if after.Claims.Roles[0] != "staff" || after.Claims.Extra["level"] != "1" {
			s.Fatal("a user was changed from outside")
		}
		if changed.Scopes[0] != "read" || changed.Secrets[0] != (storage.Digest{1}) {
			s.Fatal("a client was changed from outside")
		}
	}
}
