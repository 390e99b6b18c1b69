package storagetest

import (
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func clientChangeCases() map[string]func(*store) {
	return map[string]func(*store){
		"a client is found as changed":         clientsChanged,
		"a client has two secrets at most":     clientsSecrets,
		"a client's change shows in a refresh": clientsRefresh,
		"a change of a certain policy":         clientsIfPolicy,
	}
}

// isClient expects a client to be found as such.
func (s *store) isClient(want storage.Client) {
	s.Helper()
	got, err := s.ClientByID(s.Context(), want.ID)
	s.must(err)
	s.equal(got, want)
}

func clientsChanged(s *store) {
	app, web := s.addClient("app"), s.addClient("web", func(c *storage.Client) { c.AuthMethod = storage.AuthPost })
	policy := storage.ClientPolicy{
		Grants: []string{storage.GrantPassword}, Scopes: []string{"a:b"}, Audiences: []string{"https://d.example"}, Claims: []string{"roles"},
		DefaultAudiences: []string{"https://d.example"}, Algorithm: "RS256", AccessLifetime: 1, IdleLifetime: time.Hour, Origins: []string{"https://x.example"},
	}
	one, two := storage.Digest{1}, storage.Digest{2}
	for _, c := range []struct {
		change storage.ClientChange
		want   func(*storage.Client)
	}{
		{storage.ClientChange{}, func(*storage.Client) {}},
		{storage.ClientChange{Name: new(`Ωmega "app"`)}, func(c *storage.Client) { c.Name = `Ωmega "app"` }},
		{storage.ClientChange{Policy: &policy}, func(c *storage.Client) { c.ClientPolicy = policy }},
		{storage.ClientChange{AddSecret: &one}, func(c *storage.Client) { c.Secrets = []storage.Digest{one} }},
		{storage.ClientChange{AddSecret: &two}, func(c *storage.Client) { c.Secrets = []storage.Digest{one, two} }},
		{storage.ClientChange{Name: new(""), DropOld: true}, func(c *storage.Client) { c.Name, c.Secrets = "", []storage.Digest{two} }},
		{storage.ClientChange{Policy: &storage.ClientPolicy{}}, func(c *storage.Client) { c.ClientPolicy = storage.ClientPolicy{} }},
	} {
		c.want(&web)
		got, err := s.ChangeClient(s.Context(), "web", c.change)
		s.must(err)
		s.equal(got, web)
		s.isClient(web)
		s.reopen()
		s.isClient(web)
		s.isClient(app)
	}
	for _, id := range []string{"", "Web", "we", "webb", "nobody"} {
		_, err := s.ChangeClient(s.Context(), id, storage.ClientChange{Name: new("x")})
		s.wants(storage.ErrNotFound, err)
	}
}

// A secret that is one too many changes nothing beside it either.
func clientsSecrets(s *store) {
	web := s.addClient("web", func(c *storage.Client) { c.AuthMethod, c.Secrets = storage.AuthBasic, []storage.Digest{{1}} })
	add := func(n byte, c storage.ClientChange) error {
		c.AddSecret = &storage.Digest{n}
		_, err := s.ChangeClient(s.Context(), "web", c)
		return err
	}
	s.must(add(2, storage.ClientChange{}))
	web.Secrets = []storage.Digest{{1}, {2}}
	s.wants(storage.ErrConflict, add(3, storage.ClientChange{Name: new("x"), Policy: &storage.ClientPolicy{}}))
	s.isClient(web)
	_, err := s.ChangeClient(s.Context(), "web", storage.ClientChange{DropOld: true})
	s.must(err)
	s.must(add(4, storage.ClientChange{}))
	web.Secrets = []storage.Digest{{2}, {4}}
	s.isClient(web)
	s.must(add(5, storage.ClientChange{DropOld: true}))
	web.Secrets = []storage.Digest{{5}}
	s.isClient(web)

	public := s.addClient("public")
	for _, c := range []storage.ClientChange{{AddSecret: &storage.Digest{1}, Name: new("x")}, {DropOld: true}} {
		_, err := s.ChangeClient(s.Context(), "public", c)
		s.wants(storage.ErrConflict, err)
	}
	s.isClient(public)
}

// Of two who read the same policy, the second must read it again.
func clientsIfPolicy(s *store) {
	web := s.addClient("web")
	before := web.ClientPolicy
	web.Scopes = []string{"write"}
	_, err := s.ChangeClient(s.Context(), "web", storage.ClientChange{Policy: &web.ClientPolicy, IfPolicy: &before})
	s.must(err)
	s.isClient(web)
	_, err = s.ChangeClient(s.Context(), "web", storage.ClientChange{Policy: &before, IfPolicy: &before, Name: new("x")})
	s.wants(storage.ErrConflict, err)
	s.isClient(web)
}

// A session follows its client's policy, and the client keeps its number.
func clientsRefresh(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	policy := web.ClientPolicy
	policy.Scopes, policy.RetryWindow = []string{"write", "admin"}, 0
	changed, err := s.ChangeClient(s.Context(), "web", storage.ClientChange{Policy: &policy, Name: new("renamed")})
	s.must(err)
	out, err := s.refresh(d)
	s.must(err)
	s.equal(out.Client, changed)
	s.equal(out.Scope, []string{"write"})
	policy.Grants = []string{storage.GrantPassword}
	_, err = s.ChangeClient(s.Context(), "web", storage.ClientChange{Policy: &policy})
	s.must(err)
	d.token = out.Token
	_, err = s.refresh(d)
	s.wants(storage.ErrGrant, err)
}
