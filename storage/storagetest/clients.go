package storagetest

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func clientCases() map[string]func(*store) {
	return map[string]func(*store){
		"a client is found as created":  clientsKept,
		"ids are unique":                clientsUnique,
		"clients are listed by id":      clientsListed,
		"what was returned is not kept": clientsCopied,
	}
}

func clientsKept(s *store) {
	full := s.aClient("Web_1.example-app")
	full.Number = 4711 // not the caller's to choose
	full.Name, full.AuthMethod = `Ωmega "app" <&> 山`, storage.AuthBasic
	full.Secrets = []storage.Digest{{}, storage.NewSecret("one").Digest(), storage.Digest(bytes.Repeat([]byte{0xff}, 32))}
	full.CreatedAt = time.Date(2026, 11, 23, 9, 0, 0, 123_456_999, time.FixedZone("east", 3600))
	full.ClientPolicy = storage.ClientPolicy{
		Grants: []string{storage.GrantPassword}, Scopes: []string{"a:b", "c.d/e", "https://x.example/y"},
		DefaultScopes: []string{"a:b"}, Audiences: []string{"https://a.example/é", "name"}, DefaultAudiences: []string{"name"},
		Claims: []string{"roles", "x'y"}, Algorithm: "RS256",
		AccessLifetime: 1, IdleLifetime: math.MaxInt64, AbsoluteLifetime: 36500 * 24 * time.Hour,
		RetryWindow: 1500 * time.Millisecond, Rotate: true, Origins: []string{"https://app.example", "http://[::1]:8080"},
	}
	plain := storage.Client{ID: strings.Repeat("z", 128), AuthMethod: storage.AuthNone, CreatedAt: s.now}
	want := []storage.Client{full, plain}
	for i := range want {
		created, err := s.CreateClient(s.Context(), want[i])
		s.must(err)
		if want[i].Number = created.Number; created.Number <= 0 || created.Number == 4711 {
			s.Errorf("the number %d is given", created.Number)
		}
		want[i].CreatedAt = whole(want[i].CreatedAt)
		s.equal(created, want[i])
		if created.CreatedAt.Location() != time.UTC {
			s.Errorf("the time is in %v", created.CreatedAt.Location())
		}
	}
	if want[0].Number == want[1].Number {
		s.Errorf("two clients have the number %d", want[0].Number)
	}
	for range 2 {
		for _, c := range want {
			got, err := s.ClientByID(s.Context(), c.ID)
			s.must(err)
			s.equal(got, c)
		}
		got, err := s.Clients(s.Context())
		s.must(err)
		s.equal(got, want)
		s.reopen()
	}
}

func clientsUnique(s *store) {
	got, err := s.Clients(s.Context())
	s.must(err)
	s.equal(got, []storage.Client(nil))

	web := s.addClient("web")
	again := s.aClient("web")
	again.Number, again.AuthMethod = web.Number+1, storage.AuthPost
	_, err = s.CreateClient(s.Context(), again)
	s.wants(storage.ErrConflict, err)
	again.ID, again.Number = "app", web.Number // a number that is taken does not matter
	app, err := s.CreateClient(s.Context(), again)
	s.must(err)
	if app.Number == web.Number {
		s.Errorf("the number %d is given twice", app.Number)
	}
	found, err := s.ClientByID(s.Context(), "web")
	s.must(err)
	s.equal(found, web)
	for _, id := range []string{"", "Web", "WEB", "we", "webb", "web ", "w%", "___"} {
		_, err := s.ClientByID(s.Context(), id)
		s.wants(storage.ErrNotFound, err)
	}
	s.addClient("Web")
}

func clientsListed(s *store) {
	ids := []string{"-", ".", "0", "10", "2", "A", "Z", "_", "a", "aa", "b"} // by bytes
	shuffled := slices.Clone(ids)
	slices.Reverse(shuffled)
	for _, id := range shuffled {
		s.addClient(id)
	}
	clients, err := s.Clients(s.Context())
	s.must(err)
	var got []string
	for _, c := range clients {
		got = append(got, c.ID)
	}
	s.equal(got, ids)
}

func clientsCopied(s *store) {
	c := s.aClient("web")
	c.Secrets = []storage.Digest{{1}}
	created, err := s.CreateClient(s.Context(), c)
	s.must(err)
	for range 2 {
		for _, mine := range []storage.Client{c, created} {
			mine.Secrets[0], mine.Scopes[0], mine.Grants[0] = storage.Digest{2}, "everything", "implicit"
		}
		got, err := s.ClientByID(s.Context(), "web")
		s.must(err)
		if got.Secrets[0] != (storage.Digest{1}) || got.Scopes[0] != "read" || got.Grants[0] != storage.GrantPassword {
			s.Fatal("a record was changed from outside")
		}
		created = got
	}
}
