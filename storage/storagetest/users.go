package storagetest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func userCases() map[string]func(*store) {
	return map[string]func(*store){
		"a user is found as created":   usersKept,
		"odd values are kept":          usersOdd,
		"names and ids are unique":     usersUnique,
		"names are compared exactly":   usersExact,
		"a conflict changes nothing":   usersConflict,
		"users are listed by name":     usersListed,
		"what is returned is not kept": usersCopied,
	}
}

func usersKept(s *store) {
	full := s.aUser("ada")
	full.ForeignID, full.Disabled = "django:17", true
	full.Claims = storage.UserClaims{
		Roles: []string{"admin", "staff"}, Groups: []string{"g1"}, Entitlements: []string{"e1", "e2"},
		Extra: map[string]any{
			"name": "Ada", "level": json.Number("2.5"), "id": json.Number("12345678901234567890"), "active": true, "none": nil, "empty": map[string]any{},
			"address": map[string]any{"city": "London", "lines": []any{"a", json.Number("9007199254740993"), false, nil}},
		},
	}
	plain := s.aUser("bob")
	plain.PasswordHash = ""
	for _, u := range []storage.User{full, plain} {
		s.must(s.CreateUser(s.Context(), u))
	}
	for range 2 {
		for _, want := range []storage.User{full, plain} {
			got, err := s.UserByName(s.Context(), want.Name)
			s.must(err)
			s.equal(got, want)
			if got.CreatedAt.Location() != time.UTC {
				s.Errorf("the time is in %v", got.CreatedAt.Location())
			}
		}
		got, err := s.Users(s.Context(), "", 10)
		s.must(err)
		s.equal(got, []storage.User{full, plain})
		s.reopen()
	}
	_, err := s.UserByName(s.Context(), "carol")
	s.wants(storage.ErrNotFound, err)
}

func usersOdd(s *store) {
	names := []string{
		"é", "e\u0301", "Ωμέγα", "山田 太郎", "مستخدم", "😀👩‍💻", "a'; DROP TABLE users; --", `a"b\c`, "%", "_", "?", "$1", ":name",
		" ", "tab\there", "line\nend", "\u200b", "\ufffd", "null", strings.Repeat("x", 255), strings.Repeat("長", 1000),
	}
	instants := []time.Time{
		time.Date(1900, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(2500, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2026, 11, 23, 8, 0, 0, 1999, time.FixedZone("east", 3600)), time.Unix(1, 0), time.Unix(-1, 999_999_999),
	}
	for i, name := range names {
		want := s.aUser(name)
		want.PasswordHash, want.ForeignID = "$argon2id$"+name, name
		want.CreatedAt = instants[i%len(instants)]
		want.Claims = storage.UserClaims{Roles: []string{name, ""}, Extra: map[string]any{name: strings.Repeat(name, 20)}}
		s.must(s.CreateUser(s.Context(), want))
		got, err := s.UserByName(s.Context(), name)
		s.must(err)
		want.CreatedAt = whole(want.CreatedAt)
		s.equal(got, want)
	}
	big := s.aUser("big")
	big.Claims.Extra = map[string]any{"blob": strings.Repeat("<&\u2028>", 20_000)}
	s.must(s.CreateUser(s.Context(), big))
	got, err := s.UserByName(s.Context(), "big")
	s.must(err)
	s.equal(got, big)
}

func usersUnique(s *store) {
	ada := s.aUser("ada")
	ada.ForeignID = "17"
	s.must(s.CreateUser(s.Context(), ada))

	sameID, sameName, sameForeign := s.aUser("x"), s.aUser("ada"), s.aUser("y")
	sameID.ID, sameForeign.ForeignID = ada.ID, "17"
	for _, u := range []storage.User{ada, sameID, sameName, sameForeign} {
		s.wants(storage.ErrConflict, s.CreateUser(s.Context(), u))
	}
	s.addUser("bob") // no foreign id, twice
	s.addUser("carol")
	// What a refused record had that was free is still free.
	s.addUser("x")
	s.addUser("y")
}

func usersExact(s *store) {
	for _, name := range []string{"ada", "Ada", "ADA", "ada ", " ada", "\u00e9", "e\u0301", "ß", "ss"} {
		s.addUser(name)
	}
	for _, name := range []string{"", "aDa", "ad", "adaa", "ada%", "a_a", "*", "\u00c9"} {
		_, err := s.UserByName(s.Context(), name)
		s.wants(storage.ErrNotFound, err)
	}
	foreign := s.aUser("f1")
	foreign.ForeignID = "a"
	s.must(s.CreateUser(s.Context(), foreign))
	foreign = s.aUser("f2")
	foreign.ForeignID = "A"
	s.must(s.CreateUser(s.Context(), foreign))
}

func usersConflict(s *store) {
	ada := s.addUser("ada")
	again := s.aUser("ada")
	again.Disabled, again.PasswordHash = true, "stolen"
	s.wants(storage.ErrConflict, s.CreateUser(s.Context(), again))
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	s.equal(got, ada)
	got2, err := s.Users(s.Context(), "", 10)
	s.must(err)
	s.equal(got2, []storage.User{ada})
}

func usersListed(s *store) {
	names := []string{"B", "Z", "a", "aa", "ab", "b", "z", "é", "ÿ", "Ω", "山", "\uffee", "😀"} // by bytes
	shuffled := slices.Clone(names)
	slices.Reverse(shuffled)
	for _, name := range shuffled {
		s.addUser(name)
	}
	for _, limit := range []int{1, 2, 3, len(names) - 1, len(names), 1000} {
		var got []string
		for after := ""; ; {
			page, err := s.Users(s.Context(), after, limit)
			s.must(err)
			if len(page) == 0 {
				break
			}
			if len(page) > limit || len(got) > len(names) {
				s.Fatalf("%d users where %d were asked for, after %d", len(page), limit, len(got))
			}
			for _, u := range page {
				got = append(got, u.Name)
			}
			after = got[len(got)-1]
		}
		s.equal(got, names)
	}
	for after, want := range map[string]int{"😀": 0, "zz": 6, "aaa": 9, "A": 13, "B": 12} {
		page, err := s.Users(s.Context(), after, 100)
		s.must(err)
		if len(page) != want {
			s.Errorf("%d users after %q, want %d", len(page), after, want)
		}
	}
	for _, limit := range []int{0, -1} {
		page, err := s.Users(s.Context(), "", limit)
		s.must(err)
		if len(page) != 0 {
			s.Errorf("%d users with the limit %d", len(page), limit)
		}
	}
}

// Callers may do what they like with what they passed and what they got.
func usersCopied(s *store) {
	u := s.aUser("ada")
	u.Claims = storage.UserClaims{Roles: []string{"staff"}, Extra: map[string]any{"level": "1"}}
	s.must(s.CreateUser(s.Context(), u))
	for range 2 {
		u.Claims.Roles[0], u.Claims.Extra["level"] = "admin", "9"
		got, err := s.UserByName(s.Context(), "ada")
		s.must(err)
		if got.Claims.Roles[0] != "staff" || got.Claims.Extra["level"] != "1" {
			s.Fatal("a record was changed from outside")
		}
		u = got
	}
}
