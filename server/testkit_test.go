package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

const (
	apiAudience   = "https://api.example"
	otherAudience = "https://orders.example"
	failAfter     = 250 * time.Millisecond
)

// cheap keeps tests fast; the parameters people get are tested in package password.
var cheap = password.Params{Memory: 64, Time: 1, Threads: 1}

// A kit is a whole server on a real store with real keys, on a real socket.
type kit struct {
	*testing.T
	issuer string
	path   string // of the database
	store  *sqlite.Store
	keys   *keys.Rotator
	pool   *password.Pool
	server *server.Server
	log    *logBuffer
	logger *slog.Logger
	clock  *clock
	stop   func() // ends what goes beside the handlers
}

// A clock is the wall clock, set back or forward by a test.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type option func(*server.Config)

func newKit(t *testing.T, path string, options ...option) *kit {
	t.Helper()
	return newKitWith(t, path, func(*keys.RotatorConfig) {}, options...)
}

// newKitWith is newKit with another rotator.
func newKitWith(t *testing.T, path string, rotator func(*keys.RotatorConfig), options ...option) *kit {
	t.Helper()
	k := &kit{T: t, log: &logBuffer{}, clock: &clock{}}
	ctx, cancel := context.WithCancel(context.Background())
	logger := slog.New(slog.NewJSONHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k.logger = logger
	dir := t.TempDir()

	var err error
	k.path = filepath.Join(dir, "hallmark.db")
	k.store, err = sqlite.Open(ctx, k.path, logger)
	k.must(err)
	front := httptest.NewUnstartedServer(nil)
	front.Start()
	k.issuer = front.URL + path

	k.keys = k.newRotator(dir, logger, rotator)
	k.pool = password.New(password.Config{Workers: 2, MaxWait: 5 * time.Second, Params: cheap})
	cfg := server.Config{
		Issuer: k.issuer, AccessLifetime: 10 * time.Minute, IdleLifetime: 24 * time.Hour, AbsoluteLifetime: 72 * time.Hour,
		Store: k.store, Keys: k.keys, Passwords: k.pool, Throttle: throttle.New(throttle.Config{}, time.Now),
		Log: logger, Now: k.clock.Now, FailAfter: failAfter, Ready: k.store.Check,
	}
	for _, o := range options {
		o(&cfg)
	}
	k.server, err = server.New(cfg)
	k.must(err)
	k.must(k.keys.Start(ctx))
	k.must(k.server.Publish(k.keys.Ring()))
	front.Config.Handler = k.server.Handler()
	var running sync.WaitGroup
	running.Go(func() { k.server.Run(ctx) })
	k.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(func() {
		front.Close()
		k.stop()
		k.store.Close()
	})
	return k
}

func (k *kit) newRotator(dir string, logger *slog.Logger, change func(*keys.RotatorConfig)) *keys.Rotator {
	kek := make([]byte, 32)
	rand.Read(kek)
	sealer, err := keys.NewSealer(kek)
	k.must(err)
	cfg := keys.RotatorConfig{
		Store: k.store, Sealer: sealer, Seen: keys.NewSeen(filepath.Join(dir, "seen")), Schedule: keys.DefaultSchedule(),
		ServiceTime: k.store.ServiceTime, Now: k.clock.Now, Log: logger,
		OnChange: func(r keys.Ring) {
			if k.server != nil {
				k.must(k.server.Publish(r))
			}
		},
	}
	change(&cfg)
	return keys.NewRotator(cfg)
}

// hold takes the only place of a pool until what it returns is called.
func (k *kit) hold(pool *password.Pool) (release func()) {
	k.Helper()
	taken, free := make(chan bool), make(chan bool)
	go pool.Verify(context.Background(), "", storage.RandomSecret(), func() error {
		close(taken)
		<-free
		return nil
	})
	<-taken
	return func() { close(free) }
}

// exec changes the database behind the store's back.
func (k *kit) exec(statement string) {
	k.Helper()
	db, err := sql.Open("sqlite3", "file:"+k.path+"?_busy_timeout=5000")
	k.must(err)
	defer db.Close()
	_, err = db.Exec(statement)
	k.must(err)
}

// query reads one number from the database.
func (k *kit) query(statement string) (n int) {
	k.Helper()
	db, err := sql.Open("sqlite3", "file:"+k.path+"?_busy_timeout=5000")
	k.must(err)
	defer db.Close()
	k.must(db.QueryRow(statement).Scan(&n))
	return n
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// A person is a user with the password that only the test knows.
type person struct {
	storage.User
	password string
}

func (k *kit) addUser(name string, change ...func(*storage.User)) person {
	k.Helper()
	p := person{password: storage.RandomSecret().Reveal()}
	hash, err := k.pool.Hash(k.Context(), storage.NewSecret(p.password))
	k.must(err)
	p.User = storage.User{ID: uuid.New(), Name: name, PasswordHash: hash, CreatedAt: time.Now()}
	for _, c := range change {
		c(&p.User)
	}
	k.must(k.store.CreateUser(k.Context(), p.User))
	return p
}

// An app is a client with the secret that only the test knows.
type app struct {
	storage.Client
	secret string
}

func (k *kit) addClient(id string, method storage.AuthMethod, change ...func(*storage.Client)) app {
	k.Helper()
	a := app{Client: storage.Client{
		ID: id, Name: id, AuthMethod: method, CreatedAt: time.Now(),
		ClientPolicy: storage.ClientPolicy{
			Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
			Scopes: []string{"read", "write", "admin"}, DefaultScopes: []string{"read", "write"},
			Audiences: []string{apiAudience, otherAudience}, DefaultAudiences: []string{apiAudience},
			RetryWindow: storage.DefaultRetryWindow, Rotate: true,
		},
	}}
	if method != storage.AuthNone {
		secret := storage.RandomSecret()
		a.secret, a.Secrets = secret.Reveal(), []storage.Digest{secret.Digest()}
	}
	for _, c := range change {
		c(&a.Client)
	}
	var err error
	a.Client, err = k.store.CreateClient(k.Context(), a.Client)
	k.must(err)
	return a
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) str(member string) string {
	s, _ := a.body[member].(string)
	return s
}

// form builds parameters from pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func with(v url.Values, pairs ...string) url.Values {
	out := maps.Clone(v)
	for name, values := range form(pairs...) {
		out[name] = values
	}
	return out
}

func (k *kit) tokenURL() string { return k.issuer + "/oauth2/token" }

func (k *kit) post(v url.Values, edit ...func(*http.Request)) answer {
	k.Helper()
	r, err := http.NewRequest("POST", k.tokenURL(), strings.NewReader(v.Encode()))
	k.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(r)
	}
	return k.do(r)
}

func (k *kit) do(r *http.Request) answer {
	k.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	k.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	k.must(err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") && r.Method != "HEAD" {
		k.must(json.Unmarshal(raw, &a.body))
	}
	return a
}

// login signs in to a public client and returns the answer, which must be good.
func (k *kit) login(p person, client app, pairs ...string) answer {
	k.Helper()
	a := k.post(with(form("grant_type", "password", "client_id", client.ID, "username", p.Name, "password", p.password), pairs...))
	if a.status != 200 {
		k.Fatalf("sign-in answered %d %s", a.status, a.raw)
	}
	return a
}

func (k *kit) refresh(client app, token string, pairs ...string) answer {
	k.Helper()
	return k.post(with(form("grant_type", "refresh_token", "client_id", client.ID, "refresh_token", token), pairs...))
}

// claims reads a token's payload without checking it.
func (k *kit) claims(token string) map[string]any {
	k.Helper()
	return k.part(token, 1)
}

// A logBuffer keeps records for the test to read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// record waits for the record of the request that was answered so, and returns
// it: the private half. The record is written after the answer.
func (k *kit) record(a answer) map[string]any {
	k.Helper()
	id := a.header.Get("Request-Id")
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for line := range strings.Lines(k.log.String()) {
			var rec map[string]any
			if json.Unmarshal([]byte(line), &rec) == nil && rec["request_id"] == id {
				return rec
			}
		}
	}
	k.Fatalf("no record of request %q", id)
	return nil
}

// refused checks both halves of a refusal.
func (k *kit) refused(a answer, status int, code, reason string) {
	k.Helper()
	if a.status != status || a.str("error") != code {
		k.Errorf("answered %d %s; want %d %s", a.status, a.raw, status, code)
	}
	if got, _ := k.record(a)["reason"].(string); !strings.Contains(got, reason) {
		k.Errorf("refused because of %q, want %q", got, reason)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.str("access_token") != "" || a.str("refresh_token") != "" {
		k.Errorf("a refusal with Cache-Control %q and %s", a.header.Get("Cache-Control"), a.raw)
	}
}

// part decodes the header (0) or payload (1) of a token without checking it.
func (k *kit) part(token string, i int) map[string]any {
	k.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		k.Fatalf("not a compact JWS of three parts: %d", len(parts))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
	k.must(err)
	var out map[string]any
	k.must(json.Unmarshal(raw, &out))
	return out
}

// setPassword gives a user another hash, as an operator would.
func setPassword(ctx context.Context, s *sqlite.Store, user uuid.UUID, hash string, now time.Time) (ended int, err error) {
	_, ended, err = s.ChangeUser(ctx, user, storage.UserChange{PasswordHash: &hash, Now: now})
	return ended, err
}

// setDisabled disables a user or enables them again.
func setDisabled(ctx context.Context, s *sqlite.Store, user uuid.UUID, disabled bool, now time.Time) (ended int, err error) {
	_, ended, err = s.ChangeUser(ctx, user, storage.UserChange{Disabled: &disabled, Now: now})
	return ended, err
}
