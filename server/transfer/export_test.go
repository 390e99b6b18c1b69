package transfer

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// Whatever a user is, both formats say it, and their readers read it.
func TestExportReads(t *testing.T) {
	word := rapid.StringMatching(`[a-z",;=\[\]{} é]{1,8}`)
	words := rapid.SliceOfN(word, 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		u := storage.User{
			ID: uuid.New(), Name: "n" + word.Draw(rt, "name"), Disabled: rapid.Bool().Draw(rt, "disabled"), CreatedAt: time.Now(),
			ForeignID:    rapid.SampledFrom([]string{"", "17", "a,b"}).Draw(rt, "foreign id"),
			PasswordHash: rapid.SampledFrom([]string{"", "!x", "$2b$12$x"}).Draw(rt, "hash"),
			Claims: storage.UserClaims{
				Roles: words.Draw(rt, "roles"), Groups: rapid.SliceOfNDistinct(word, 0, 3, rapid.ID[string]).Draw(rt, "groups"), Entitlements: words.Draw(rt, "entitlements"),
				Extra: storage.FreeClaims{"text": word.Draw(rt, "text"), "n": json.Number("12345678901234567890"), "none": nil},
			},
		}
		for format, read := range map[string]func(string) []operator.Arrival{
			FormatLines: func(text string) []operator.Arrival { return taken(t, lineReader(Mapping{IDClaim: "user_id"}), text) },
			FormatCSV:   func(text string) []operator.Arrival { return taken(t, csvReader(Mapping{IDClaim: "user_id"}), text) },
		} {
			var out bytes.Buffer
			w, err := NewWriter(format, &out)
			if err != nil || w.Write(u) != nil || w.End() != nil {
				rt.Fatal(err)
			}
			got := read(out.String())
			if len(got) != 1 || len(got[0].Problems) > 0 || got[0].ID != u.ID || got[0].Name != u.Name || got[0].ForeignID != u.ForeignID || *got[0].Disabled != u.Disabled {
				rt.Fatalf("%s: %s\nis read as %+v", format, out.String(), got)
			}
			if h := got[0].PasswordHash; (h == nil) != (u.PasswordHash == "") || h != nil && *h != u.PasswordHash {
				rt.Fatalf("%s: the hash is %v", format, h)
			}
			claims := storage.UserClaims{Roles: *got[0].Roles, Groups: *got[0].Groups, Entitlements: *got[0].Entitlements, Extra: got[0].Extra}
			x, _ := json.Marshal(claims)
			y, _ := json.Marshal(u.Claims)
			if !bytes.Equal(x, y) {
				rt.Fatalf("%s: %s is read as %s", format, y, x)
			}
		}
	})
}

func TestDjangoHash(t *testing.T) {
	const argon = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70"
	const crypt = "$2b$12$9mMZ6HYBr8S0mNtdTLnxHuZgn.zRhOPzQ0CwqRJw1PPYxdWZNnPiy"
	for hash, want := range map[string]string{
		"": "!", "!abc": "!", argon: "argon2" + argon, "argon2" + argon: "argon2" + argon, crypt: "bcrypt$" + crypt,
		"pbkdf2_sha256$1$NaCl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": "pbkdf2_sha256$1$NaCl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	} {
		if got, ok := djangoHash(hash); got != want || !ok {
			t.Errorf("%s is %s, %v", hash, got, ok)
		}
	}
	for _, hash := range []string{"$6$saltsalt$x", "garbage", "$pbkdf2-sha256$1$aaaaaaaa$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if got, ok := djangoHash(hash); got != "!" || ok {
			t.Errorf("%s is %s, %v", hash, got, ok)
		}
	}
}

func TestFixture(t *testing.T) {
	var out bytes.Buffer
	f := &Fixture{w: &out, groups: map[string]bool{}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, u := range []storage.User{
		{Name: "a", ForeignID: "17", PasswordHash: "unreadable", CreatedAt: at, Claims: storage.UserClaims{Groups: []string{"g"}, Roles: []string{"staff"}, Extra: storage.FreeClaims{"email": "a@b", "first_name": 1}}},
		{Name: "b", ForeignID: "uuid", Disabled: true, CreatedAt: at, Claims: storage.UserClaims{Groups: []string{"g", "h"}}},
	} {
		if err := f.Write(u); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.End(); err != nil {
		t.Fatal(err)
	}
	const want = `[
{"model":"auth.group","fields":{"name":"g"}},
{"model":"auth.user","pk":17,"fields":{"date_joined":"2026-01-02T03:04:05.000Z","email":"a@b","groups":[["g"]],"is_active":true,"is_staff":true,"is_superuser":false,"password":"!","username":"a"}},
{"model":"auth.group","fields":{"name":"h"}},
{"model":"auth.user","fields":{"date_joined":"2026-01-02T03:04:05.000Z","groups":[["g"],["h"]],"is_active":false,"is_staff":false,"is_superuser":false,"password":"!","username":"b"}}
]
`
	if out.String() != want || f.Without != 1 {
		t.Errorf("wrote %s, %d without", out.String(), f.Without)
	}
	if got := taken(t, dumpdata(Mapping{}), strings.Replace(out.String(), `"auth.user","fields"`, `"auth.user","pk":18,"fields"`, 1)); len(got) != 2 || len(got[0].Problems) > 0 {
		t.Errorf("%+v", got)
	}
}
