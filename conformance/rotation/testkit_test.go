package rotation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
)

const audience = "https://api.example"

// A site is an issuer and an API that trusts it, on sockets of this machine.
type site struct {
	issuer, api string
	client      *http.Client
	rehearsal   *Rehearsal
	said        []string
}

// newSite starts both. The API is made when the issuer answers.
func newSite(t *testing.T, cfg Config, target Target, api func(*site) http.Handler) *site {
	t.Helper()
	s := &site{client: &http.Client{Timeout: 10 * time.Second}}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.rehearsal.Handler().ServeHTTP(w, r) }))
	t.Cleanup(issuer.Close)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.issuer, s.api = issuer.URL, server.URL
	s.prepare(t, cfg, target)
	handler = api(s)
	return s
}

func (s *site) prepare(t *testing.T, cfg Config, target Target) {
	t.Helper()
	cfg.Issuer, target.URL, target.Audience = s.issuer, s.api, audience
	cfg.Say = func(line string) { s.said = append(s.said, line) }
	var err error
	if s.rehearsal, err = New(target, cfg); err != nil {
		t.Fatal(err)
	}
}

// quick is for APIs that make up their minds at once, or never.
func quick() Config { return Config{Period: time.Second, Patience: 2 * time.Second, Flood: 30} }

func (s *site) run(t *testing.T) Report {
	t.Helper()
	report, err := s.rehearsal.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// verdicts lists the questions by verdict, without those that are ok.
func (r Report) verdicts() string {
	by := map[string][]string{}
	for _, f := range r.Findings {
		by[f.Verdict] = append(by[f.Verdict], f.ID)
	}
	var out []string
	for _, v := range []string{Fail, Warn, Skipped} {
		if len(by[v]) > 0 {
			out = append(out, v+": "+strings.Join(by[v], " "))
		}
	}
	return strings.Join(out, "; ")
}

func (r Report) find(t *testing.T, id string) Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })
	if i < 0 {
		t.Fatalf("nothing is said about %s: %+v", id, r.Findings)
	}
	return r.Findings[i]
}

// in is an HTTP transport to a handler in the same process, for a synctest bubble.
type in struct{ handler func() http.Handler }

func (i in) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the connection broke")
		}
	}()
	w := httptest.NewRecorder()
	i.handler().ServeHTTP(w, r)
	res = w.Result()
	res.Request = r
	return res, r.Context().Err()
}

// A judge decides on a token: the API's answer.
type judge func(token string) (status int)

// behind serves a judge.
func behind(j judge) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.WriteHeader(j(token))
		io.WriteString(w, "hello")
	})
}

// own is this project's verifier.
func own(t *testing.T, s *site) http.Handler {
	t.Helper()
	v, err := verify.New(t.Context(), s.issuer, audience, verify.WithHTTPClient(s.client), verify.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v.Require()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
}

// A cache is the key set of a verifier that somebody wrote by hand.
type cache struct {
	site *site
	mu   sync.Mutex
	jwks []byte
	set  *discovery.KeySet
}

func (c *cache) fetch() error {
	resp, err := c.site.client.Get(c.site.issuer + "/.well-known/jwks.json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	jwks, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	set, err := discovery.ParseKeySet(jwks)
	if err == nil {
		c.jwks, c.set = jwks, set
	}
	return err
}

// check verifies with the keys at hand, those of other key sets too.
func (c *cache) check(token string, more ...[]byte) int {
	for _, jwks := range append([][]byte{c.jwks}, more...) {
		v, err := verify.New(context.Background(), c.site.issuer, audience, verify.WithKeySet(jwks))
		if err != nil {
			return 500
		}
		if _, err := v.Verify(context.Background(), token); err == nil {
			return 200
		}
	}
	return 401
}

// looking is a judge that looks for keys as look says, before each token.
func looking(look func(c *cache, known bool) error) func(*site) http.Handler {
	return func(s *site) http.Handler {
		c := &cache{site: s}
		return behind(func(token string) int {
			c.mu.Lock()
			defer c.mu.Unlock()
			known := false
			if c.set != nil {
				_, known = c.set.Key(header(token)["kid"])
			}
			if err := look(c, known); err != nil {
				return 503
			}
			return c.check(token)
		})
	}
}

// header is a token's, unverified.
func header(token string) map[string]string {
	part, _, _ := strings.Cut(token, ".")
	var h map[string]string
	if b, err := base64.RawURLEncoding.DecodeString(part); err == nil {
		_ = json.Unmarshal(b, &h)
	}
	return h
}

// payload is a token's, unverified.
func payload(token string) map[string]string {
	parts := strings.Split(token, ".")
	if len(parts) < 2 {
		return nil
	}
	out := map[string]string{}
	var p map[string]any
	if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(b, &p) == nil {
		for name, v := range p {
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}

func overdue(token string) bool {
	exp, err := strconv.ParseFloat(payload(token)["exp"], 64)
	return err == nil && int64(exp) < time.Now().Unix()
}
