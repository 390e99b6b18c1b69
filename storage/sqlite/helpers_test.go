package sqlite_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

var (
	ctx   = context.Background()
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	epoch = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
)

// fresh opens a new database that is closed at the end of the test.
func fresh(t testing.TB) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hallmark.db")
	return reopen(t, path), path
}

func reopen(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func aUser(name string) storage.User {
	return storage.User{ID: uuid.New(), Name: name, PasswordHash: "$test$" + name, CreatedAt: epoch}
}

func aClient(id string) storage.Client {
	return storage.Client{ID: id, Name: id, AuthMethod: storage.AuthNone, CreatedAt: epoch, ClientPolicy: storage.ClientPolicy{
		Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
		Scopes: []string{"read", "write", "offline_access"}, Audiences: []string{"https://api.example.com"},
		DefaultAudiences: []string{"https://api.example.com"},
		RetryWindow:      storage.DefaultRetryWindow, Rotate: true,
	}}
}

// A login is what sessions are opened with.
type login struct {
	s      *sqlite.Store
	user   storage.User
	client storage.Client
}

func newLogin(t testing.TB, s *sqlite.Store) login {
	t.Helper()
	l := login{s: s, user: aUser("ada"), client: aClient("web")}
	must(t, s.CreateUser(ctx, l.user))
	c, err := s.CreateClient(ctx, l.client)
	must(t, err)
	l.client = c
	return l
}

// newStrictLogin is newLogin for a client whose every refresh rotates.
func newStrictLogin(t testing.TB, s *sqlite.Store) login {
	t.Helper()
	l := newLogin(t, s)
	strict := aClient("strict")
	strict.RetryWindow = 0
	c, err := s.CreateClient(ctx, strict)
	must(t, err)
	l.client = c
	return l
}

func (l login) session() storage.NewSession {
	return storage.NewSession{
		Token: storage.NewRefreshToken(), User: l.user.ID, PasswordHash: l.user.PasswordHash, Client: l.client.Number,
		Scope: []string{"read", "write", "offline_access"}, Audience: []string{"https://api.example.com"},
		AbsoluteLifetime: 30 * 24 * time.Hour, IdleLifetime: 7 * 24 * time.Hour, Address: "203.0.113.77", Now: epoch,
	}
}

func (l login) refresh(t storage.RefreshToken) storage.Refresh {
	return storage.Refresh{Token: t, Client: l.client.Number, Nonce: storage.NewNonce(), Address: "2001:db8:85a3::8a2e:370:7334", Now: epoch.Add(time.Minute)}
}

// open opens n sessions, all at once, and returns their tokens.
func (l login) open(t testing.TB, n int) []storage.RefreshToken {
	t.Helper()
	tokens := make([]storage.RefreshToken, n)
	parallel(t, n, func(i int) error {
		next := l.session()
		tokens[i] = next.Token
		_, err := l.s.CreateSession(ctx, next)
		return err
	})
	return tokens
}

// parallel calls do n times, at most 256 at once.
func parallel(t testing.TB, n int, do func(i int) error) {
	t.Helper()
	var g sync.WaitGroup
	errs := make([]error, n)
	room := make(chan struct{}, 256)
	for i := range n {
		room <- struct{}{}
		g.Go(func() {
			errs[i] = do(i)
			<-room
		})
	}
	g.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatal(fmt.Errorf("call %d: %w", i, err))
		}
	}
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// exchange is a token of another system for the user of a foreign id.
func exchange(t testing.TB, l login, name, user string) storage.Exchange {
	t.Helper()
	token, err := storage.ForeignToken([]byte(name))
	must(t, err)
	return storage.Exchange{
		ID: storage.SpentID(name), Token: token, User: user, IssuedAt: epoch, ExpiresAt: epoch.Add(time.Hour), Client: l.client.Number,
		Scope: []string{"read"}, Audience: []string{"https://api.example.com"}, AbsoluteLifetime: 30 * 24 * time.Hour, IdleLifetime: 24 * time.Hour,
		Nonce: storage.NewNonce(), Address: "192.0.2.1", Now: epoch,
	}
}
