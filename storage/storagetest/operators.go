package storagetest

import (
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func operatorCases() map[string]func(*store) {
	return map[string]func(*store){
		"a token is found by its digest": operatorsKept,
		"names and digests are unique":   operatorsUnique,
		"tokens are listed by name":      operatorsListed,
		"an expired token is found":      operatorsExpired,
		"a removed token is gone":        operatorsRemoved,
		"what was returned is a copy":    operatorsCopied,
	}
}

func (s *store) aToken(name string) storage.OperatorToken {
	return storage.OperatorToken{
		Name: name, Digest: storage.RandomSecret().Digest(), Scopes: []string{"read", "users"},
		CreatedAt: s.now, ExpiresAt: s.now.Add(90 * 24 * time.Hour),
	}
}

func (s *store) addToken(name string) storage.OperatorToken {
	s.Helper()
	t := s.aToken(name)
	s.must(s.CreateOperatorToken(s.Context(), t))
	return t
}

func operatorsKept(s *store) {
	got, err := s.OperatorTokens(s.Context())
	s.must(err)
	s.equal(got, []storage.OperatorToken(nil))

	full, plain := s.aToken(`deploy of "é" 山`), s.aToken(strings.Repeat("z", 200))
	full.Digest = storage.Digest{}
	full.CreatedAt = time.Date(2026, 11, 23, 9, 0, 0, 123_456_999, time.FixedZone("east", 3600))
	plain.Scopes, plain.ExpiresAt = nil, time.Time{}
	want := []storage.OperatorToken{full, plain}
	for i := range want {
		s.must(s.CreateOperatorToken(s.Context(), want[i]))
		want[i].CreatedAt, want[i].ExpiresAt = whole(want[i].CreatedAt), whole(want[i].ExpiresAt)
	}
	for range 2 {
		for _, t := range want {
			got, err := s.OperatorToken(s.Context(), t.Digest)
			s.must(err)
			s.equal(got, t)
			if got.CreatedAt.Location() != time.UTC {
				s.Errorf("the time is in %v", got.CreatedAt.Location())
			}
		}
		got, err := s.OperatorTokens(s.Context())
		s.must(err)
		s.equal(got, want)
		s.reopen()
	}
	near := plain.Digest
	near[31]++
	_, err = s.OperatorToken(s.Context(), near)
	s.wants(storage.ErrNotFound, err)
}

func operatorsUnique(s *store) {
	deploy := s.addToken("deploy")
	sameName, sameDigest := s.aToken("deploy"), s.aToken("other")
	sameName.Scopes, sameDigest.Digest, sameDigest.Scopes = []string{"keys"}, deploy.Digest, []string{"keys"}
	for _, t := range []storage.OperatorToken{deploy, sameName, sameDigest} {
		s.wants(storage.ErrConflict, s.CreateOperatorToken(s.Context(), t))
	}
	got, err := s.OperatorTokens(s.Context())
	s.must(err)
	s.equal(got, []storage.OperatorToken{deploy})
	_, err = s.OperatorToken(s.Context(), sameName.Digest)
	s.wants(storage.ErrNotFound, err)
	s.addToken("other") // what a refused one had that was free is still free
	s.addToken("Deploy")
}

func operatorsListed(s *store) {
	names := []string{"B", "a", "aa", "b", "é", "山"} // by bytes
	for i := range names {
		s.addToken(names[(i*5+3)%len(names)])
	}
	tokens, err := s.OperatorTokens(s.Context())
	s.must(err)
	var got []string
	for _, t := range tokens {
		got = append(got, t.Name)
	}
	s.equal(got, names)
}

// Whether it still holds is not the store's to say.
func operatorsExpired(s *store) {
	t := s.aToken("old")
	t.ExpiresAt = time.Now().Add(-100 * 24 * time.Hour).UTC().Truncate(time.Microsecond)
	s.must(s.CreateOperatorToken(s.Context(), t))
	got, err := s.OperatorToken(s.Context(), t.Digest)
	s.must(err)
	s.equal(got, t)
	list, err := s.OperatorTokens(s.Context())
	s.must(err)
	s.equal(list, []storage.OperatorToken{t})
}

func operatorsRemoved(s *store) {
	one, two := s.addToken("one"), s.addToken("two")
	for _, name := range []string{"", "One", "on", "one ", "o%", "three"} {
		s.wants(storage.ErrNotFound, s.RemoveOperatorToken(s.Context(), name))
	}
	s.must(s.RemoveOperatorToken(s.Context(), "one"))
	for range 2 {
		_, err := s.OperatorToken(s.Context(), one.Digest)
		s.wants(storage.ErrNotFound, err)
		s.wants(storage.ErrNotFound, s.RemoveOperatorToken(s.Context(), "one"))
		got, err := s.OperatorTokens(s.Context())
		s.must(err)
		s.equal(got, []storage.OperatorToken{two})
		s.reopen()
	}
	s.addToken("one")
	_, err := s.OperatorToken(s.Context(), one.Digest)
	s.wants(storage.ErrNotFound, err)
}

func operatorsCopied(s *store) {
	t := s.addToken("deploy")
	for range 2 {
		t.Scopes[0] = "keys"
		got, err := s.OperatorToken(s.Context(), t.Digest)
		s.must(err)
		if got.Scopes[0] != "read" {
			s.Fatal("a token was changed from outside")
		}
		t = got
	}
}
