package keys

import (
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func bitLen(k Key) int { return k.Public.(*rsa.PublicKey).N.BitLen() }

// TestImportPublic: another issuer's key is in the key set under its own kid
// until the time that was said, signs never and disturbs nobody.
func TestImportPublic(t *testing.T) {
	r := poll(t, started(t, brisk(ES256)), 0, 50*time.Second)
	signer, _ := r.Signer("", at(50*time.Second))
	for _, alg := range []Algorithm{ES256, RS256} {
		public := must(cheap()(alg, 2048)).Public()
		next := must(r.ImportPublic(alg, "legacy-1", public, at(200*time.Second).Wall, at(50*time.Second)))
		next = advance(t, next, at(50*time.Second))
		if k, _ := next.Signer(alg, at(50*time.Second)); k.ID != signer.ID {
			t.Errorf("%s: %s signs", alg, k)
		}
		k := next.keys[next.find("legacy-1")]
		if next.State(k, at(50*time.Second)) != Retired || !next.Life(k, at(50*time.Second)).SignsUntil.IsZero() {
			t.Errorf("%s: %s is %s, signs until %s", alg, k, next.State(k, at(50*time.Second)), next.Life(k, at(50*time.Second)).SignsUntil)
		}
		sealer := must(NewSealer(testKEK(1)))
		if again := must(sealer.Open(must(sealer.Seal(next.at(3))))); !again.same(next) {
			t.Errorf("%s: it came back as %v", alg, again.keys)
		}
		next = poll(t, next, 50*time.Second, 199*time.Second)
		published := func(d time.Duration) bool {
			return slices.ContainsFunc(next.Published(at(d).Wall), func(k Key) bool { return k.ID == "legacy-1" })
		}
		if !published(199*time.Second) || next.find(signer.ID) < 0 {
			t.Errorf("%s: it is gone too early", alg)
		}
		if next = advance(t, next, at(200*time.Second)); published(200*time.Second) || next.find("legacy-1") >= 0 {
			t.Errorf("%s: it is still there", alg)
		}
		next = poll(t, next, 200*time.Second, 1000*time.Second)
		if got := states(next, ES256, at(1000*time.Second)); len(got) < 2 || len(got) > 3 {
			t.Errorf("%s: the line goes on as %v", alg, got)
		}
	}
}

func TestImportPublicRefuses(t *testing.T) {
	r := started(t, brisk(ES256))
	public := must(cheap()(ES256, 0)).Public()
	in := must(r.ImportPublic(ES256, "legacy-1", public, at(time.Hour).Wall, at(0)))
	revoked := must(in.Revoke("legacy-1", "", at(time.Second), cheap()))
	for name, c := range map[string]struct {
		in   Ring
		alg  Algorithm
		kid  string
		end  time.Time
		want string
	}{
		"not of the algorithm": {r, RS256, "", at(time.Hour).Wall, "needs an RSA key"},
		"a kid with blanks":    {r, ES256, "a b", at(time.Hour).Wall, "are a kid here"},
		"a long kid":           {r, ES256, strings.Repeat("x", 129), at(time.Hour).Wall, "are a kid here"},
		"in the past":          {r, ES256, "", at(0).Wall, "in the future"},
		"for ever":             {r, ES256, "", at(0).Wall.Add(longest + time.Hour), "in the future"},
		"there already":        {in, ES256, "another", at(time.Hour).Wall, "there already"},
		"a kid that is taken":  {in, ES256, r.keys[0].ID, at(time.Hour).Wall, "there already"},
		"revoked":              {revoked, ES256, "legacy-1", at(time.Hour).Wall, "revoked"},
	} {
		next, err := c.in.ImportPublic(c.alg, c.kid, public, c.end, at(0))
		if err == nil || !strings.Contains(err.Error(), c.want) || !next.same(c.in) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestImportPrivate: a key pair from elsewhere signs after it was announced, or
// at once, and the line goes on after it.
func TestImportPrivate(t *testing.T) {
	for name, c := range map[string]struct {
		atOnce bool
		from   time.Duration
	}{"announced": {false, 110 * time.Second}, "at once": {true, 50 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			r := poll(t, started(t, brisk()), 0, 50*time.Second)
			key := must(cheap()(ES256, 0))
			kid := must(thumbprint(key.Public()))
			r = advance(t, must(r.ImportPrivate(ES256, key, at(50*time.Second), c.atOnce)), at(50*time.Second))
			before := c.from - time.Microsecond
			if k, _ := r.Signer("", at(before)); k.ID == kid && !c.atOnce {
				t.Error("it signs before it was announced")
			}
			if k, _ := r.Signer("", at(c.from)); k.ID != kid {
				t.Errorf("%s signs", k)
			}
			if w := r.keys[2]; !w.SignsFrom.Equal(at(c.from + r.schedule.RotateEvery).Wall) {
				t.Errorf("the next one signs from %s", w.SignsFrom.Sub(epoch))
			}
			r = poll(t, r, 50*time.Second, 900*time.Second)
			if r.find(kid) >= 0 {
				t.Error("it never goes")
			}
			if _, err := r.ImportPrivate(RS256, must(cheap()(RS256, 2048)), at(900*time.Second), false); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("into no line: %v", err)
			}
			signer, _ := r.Signer("", at(900*time.Second))
			if _, err := r.ImportPrivate(ES256, signer.private, at(900*time.Second), false); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("twice: %v", err)
			}
		})
	}
}
