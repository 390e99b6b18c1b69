package server_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// addForeign adds a user with a hash that another system made.
func (k *kit) addForeign(name, password, hash string) person {
	k.Helper()
	p := k.addUser(name, func(u *storage.User) { u.PasswordHash = hash })
	p.password = password
	return p
}

func djangoHash(k *kit, password string, iterations int) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte("NaCl"), iterations, 32)
	k.must(err)
	return fmt.Sprintf("pbkdf2_sha256$%d$NaCl$%s", iterations, base64.StdEncoding.EncodeToString(key))
}

func bcryptHash(k *kit, password string, cost int) string {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	k.must(err)
	return string(hash)
}

func scryptHash(k *kit, password string, n int) string {
	key, err := scrypt.Key([]byte(password), []byte("NaCl"), n, 8, 1, 64)
	k.must(err)
	return fmt.Sprintf("scrypt$%d$NaCl$8$1$%s", n, base64.StdEncoding.EncodeToString(key))
}

// storedHash is what is in the store now.
func (k *kit) storedHash(p person) string {
	k.Helper()
	user, err := k.store.UserByName(k.Context(), p.Name)
	k.must(err)
	return user.PasswordHash
}

// TestForeignHashBecomesOurs: a user of another system signs in with the
// password of there; from then on the hash is ours, and that password still
// is the one.
func TestForeignHashBecomesOurs(t *testing.T) {
	k := newKit(t, "", patient)
	client := k.addClient("web", storage.AuthNone)
	const pw = "cafe\u0301 au\u00a0lait" // another spelling than the one that we hash
	for name, p := range map[string]person{
		"pbkdf2": k.addForeign("pbkdf2", pw, djangoHash(k, pw, 1000)),
		"bcrypt": k.addForeign("bcrypt", pw, bcryptHash(k, pw, 4)),
		"scrypt": k.addForeign("scrypt", pw, scryptHash(k, pw, 16)),
	} {
		was := k.storedHash(p)
		k.login(p, client)
		now := k.storedHash(p)
		if now == was || !strings.HasPrefix(now, "$argon2id$v=19$"+cheap.String()+"$") {
			t.Errorf("%s: after the first sign-in the hash is %s", name, now)
		}
		k.login(p, client)
		if again := k.storedHash(p); again != now {
			t.Errorf("%s: the hash was renewed twice", name)
		}
		p.password = "caf\u00e9 au lait"
		k.login(p, client)
	}
}

// TestForeignHashStays: where our hash would not stand for what was proven, the
// old one is kept, and the user signs in all the same.
func TestForeignHashStays(t *testing.T) {
	k := newKit(t, "", patient)
	client := k.addClient("web", storage.AuthNone)
	long := strings.Repeat("0123456789abcdef", 5)
	emoji := "rocket \U0001F469\u200d\U0001F680"
	for _, p := range []person{
		k.addForeign("beyond bcrypt", long, bcryptHash(k, long[:72], 4)),
		k.addForeign("not allowed here", emoji, djangoHash(k, emoji, 1000)),
	} {
		was := k.storedHash(p)
		a := k.login(p, client)
		if now := k.storedHash(p); now != was {
			t.Errorf("%s: the hash became %s", p.Name, now)
		}
		if rec := k.record(a); rec["rehash"] != nil {
			t.Errorf("%s: %v", p.Name, rec["rehash"])
		}
	}
	if k.post(form("grant_type", "password", "client_id", client.ID, "username", "beyond bcrypt", "password", long[:71])).status != 400 {
		t.Error("signed in with 71 of 72 bytes")
	}
}

// TestForeignFailureTime: a wrong password takes the same fixed time and gets
// the same answer whatever the format and the cost of the stored hash, also
// one that is unusable, malformed or beyond the bounds, or that is not there.
func TestForeignFailureTime(t *testing.T) {
	const after = time.Second
	k := newKit(t, "", patient, func(c *server.Config) {
		c.FailAfter = after
		c.Passwords = password.New(password.Config{Workers: 8, MaxWait: 10 * time.Second, Params: cheap})
	})
	client := k.addClient("web", storage.AuthNone)
	hashes := map[string]string{
		"ours":           k.addUser("ours").PasswordHash,
		"pbkdf2":         djangoHash(k, "swordfish", 50_000),
		"bcrypt":         bcryptHash(k, "swordfish", 7),
		"scrypt":         scryptHash(k, "swordfish", 1<<11),
		"cheap":          djangoHash(k, "swordfish", 1),
		"unusable":       "!0123456789012345678901234567890123456789",
		"none":           "",
		"malformed":      "pbkdf2_sha256$many$NaCl$",
		"beyond":         "pbkdf2_sha256$4000000000$NaCl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"beyond, bcrypt": "$2b$31$9mMZ6HYBr8S0mNtdTLnxHuZgn.zRhOPzQ0CwqRJw1PPYxdWZNnPiy",
	}
	reasons := map[string]string{
		"unknown": "no such user", "beyond": "pbkdf2_sha256 with 4000000000 iterations, at most 2500000",
		"beyond, bcrypt": "bcrypt with cost 31, at most 14", "malformed": "pbkdf2_sha256: a work factor",
	}
	names := []string{"unknown"}
	for name, hash := range hashes {
		if names = append(names, name); name != "ours" {
			k.addForeign(name, "swordfish", hash)
		}
	}
	var wg sync.WaitGroup
	answers := make([]answer, len(names))
	for i, name := range names {
		wg.Go(func() {
			var took time.Duration
			for range 5 { // a busy machine may be late now and then
				began := time.Now()
				answers[i] = k.post(form("grant_type", "password", "client_id", client.ID, "username", name, "password", "wrong password"))
				if took = time.Since(began); took < after+after/2 {
					break
				}
			}
			if took < after || took > after+after/2 {
				t.Errorf("%s: answered after %v, want %v", name, took, after)
			}
		})
	}
	wg.Wait()
	for i, name := range names {
		reason := reasons[name]
		if reason == "" {
			reason = "wrong password"
		}
		k.refused(answers[i], 400, "invalid_grant", reason)
		if answers[i].raw != answers[0].raw {
			t.Errorf("%s: %s differs from %s", name, answers[i].raw, answers[0].raw)
		}
	}
	for name, hash := range hashes {
		if hash != "" && strings.Contains(k.log.String(), hash[len(hash)/2:]) {
			t.Errorf("%s: the hash is in the log", name)
		}
	}
}

// TestSlowForeignHash: the time of Django's own work factor is inside the fixed
// time, not added to it.
func TestSlowForeignHash(t *testing.T) {
	pool := password.New(password.Config{Workers: 1, Params: cheap})
	hash := djangoHash(&kit{T: t}, "swordfish", 1_50_000)
	hashing := time.Hour
	for range 3 {
		began := time.Now()
		if _, err := pool.Verify(t.Context(), hash, storage.NewSecret("wrong password"), nil); err != nil {
			t.Fatal(err)
		}
		hashing = min(hashing, time.Since(began))
	}
	after := max(time.Second, 3*hashing)
	k := newKit(t, "", patient, func(c *server.Config) { c.FailAfter, c.Passwords = after, pool })
	client, slow := k.addClient("web", storage.AuthNone), k.addForeign("slow", "swordfish", hash)
	var took time.Duration
	for range 5 { // a busy machine may be late now and then
		began := time.Now()
		k.refused(k.post(form("grant_type", "password", "client_id", client.ID, "username", slow.Name, "password", "wrong password")), 400, "invalid_grant", "wrong password")
		if took = time.Since(began); took >= after && took < after+hashing/2 {
			return
		}
	}
	t.Errorf("answered after %v, with %v of hashing; want %v", took, hashing, after)
}
