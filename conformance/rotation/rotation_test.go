package rotation

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOwnVerifier: this project's own verifier survives, because it goes by the
// key set's max-age; in a bubble where waiting costs nothing.
func TestOwnVerifier(t *testing.T) {
	for _, alg := range []string{"ES256", "RS256"} {
		synctest.Test(t, func(t *testing.T) {
			s := &site{issuer: "https://issuer.example", api: audience + "/me"}
			s.client = &http.Client{Transport: in{func() http.Handler { return s.rehearsal.Handler() }}}
			var api http.Handler
			s.prepare(t, Config{Client: &http.Client{Transport: in{func() http.Handler { return api }}}}, Target{Algorithm: alg})
			api = own(t, s)
			began := time.Now()
			report := s.run(t)
			if !report.Survives || report.verdicts() != "" {
				t.Errorf("%s: %s\n%+v", alg, report.Summary, report.Findings)
			}
			if took := time.Since(began); took > 2*time.Minute || took < 2*defaultPeriod {
				t.Errorf("it took %s", took)
			}
			seen := report.find(t, "unannounced").Seen
			_, after, _ := strings.Cut(seen, "accepted after ")
			after, _, _ = strings.Cut(after, ":")
			if took, err := time.ParseDuration(after); !strings.Contains(seen, "accepted at once") && (err != nil || took > defaultPeriod) {
				t.Errorf("unannounced: %s", seen)
			}
			if seen := report.find(t, "flood").Seen; !strings.Contains(seen, "200 tokens") || !strings.Contains(seen, " 0 fetches") && !strings.Contains(seen, " 1 fetches") {
				t.Errorf("flood: %s", seen)
			}
			manual, err := os.ReadFile("../../docs/doctor.md")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings {
				if !strings.Contains(string(manual), "`"+f.ID+"`") {
					t.Errorf("docs/doctor.md lacks %s", f.ID)
				}
			}
			if len(s.said) != 6 { // every wait is announced
				t.Errorf("said %q", s.said)
			}
		})
	}
}

// TestOwnVerifierOnSockets is the same over real connections, in real time.
func TestOwnVerifierOnSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("this takes two minutes, most of them waiting")
	}
	t.Parallel()
	s := newSite(t, Config{}, Target{}, func(s *site) http.Handler { return own(t, s) })
	if report := s.run(t); !report.Survives || report.verdicts() != "" {
		t.Errorf("%s\n%+v", report.Summary, report.Findings)
	}
}

// TestVerifiers rehearses over sockets with verifiers as people write them.
func TestVerifiers(t *testing.T) {
	frozen := func(c *cache, _ bool) error {
		if c.set != nil {
			return nil
		}
		return c.fetch()
	}
	eager := func(c *cache, known bool) error {
		if known {
			return nil
		}
		return c.fetch()
	}
	always := func(c *cache, _ bool) error { return c.fetch() }
	tests := map[string]struct {
		api      func(*site) http.Handler
		survives bool
		verdicts string
		id       string // a finding
		seen     string // and a part of it
	}{
		"froze the keys at start": {looking(frozen), false, "fail: announced; skipped: unannounced revoked", "announced", "still refused"},
		"fetches for every kid":   {looking(eager), true, "warn: flood revoked", "flood", "30 tokens in"},
		"fetches for every token": {looking(always), true, "warn: flood outage", "outage", "503"},
		"accepts everything": {func(*site) http.Handler { return behind(func(string) int { return 200 }) }, false,
			"fail: no-token tampered wrong-audience wrong-issuer expired alg-none alg-hs256; skipped: rotation", "rotation", "does not verify"},
		"refuses everything":    {func(*site) http.Handler { return behind(func(string) int { return 403 }) }, false, "fail: valid", "valid", "403 Forbidden, hello; it never fetched the key set"},
		"keeps the newest key":  {newestOnly, false, "fail: old-key; warn: flood outage", "old-key", "401"},
		"never forgets a key":   {hoarder, true, "warn: flood revoked", "revoked", "still accepted"},
		"crashes on bad tokens": {crashing, true, "warn: no-token tampered wrong-audience wrong-issuer expired alg-none alg-hs256 flood revoked", "expired", "500 Internal Server Error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := newSite(t, quick(), Target{}, tt.api).run(t)
			if report.Survives != tt.survives || report.verdicts() != tt.verdicts {
				t.Errorf("survives: %v, %s; want %v, %s\n%+v", report.Survives, report.verdicts(), tt.survives, tt.verdicts, report.Findings)
			}
			if got := report.find(t, tt.id); !strings.Contains(got.Seen, tt.seen) {
				t.Errorf("%s: %q lacks %q", tt.id, got.Seen, tt.seen)
			}
			want := "would survive a rotation: no, because "
			if tt.survives {
				want = "would survive a rotation: yes, because "
			}
			if !strings.HasPrefix(report.Summary, want) {
				t.Errorf("concluded %q", report.Summary)
			}
			for _, f := range report.Findings {
				if (f.Verdict == Fail || f.Verdict == Warn) != (f.Advice != "") && f.Verdict != Skipped {
					t.Errorf("%s (%s) has the advice %q", f.ID, f.Verdict, f.Advice)
				}
			}
		})
	}
}

// newestOnly keeps one key: the last that it met.
func newestOnly(s *site) http.Handler {
	c, newest := &cache{site: s}, ""
	return behind(func(token string) int {
		kid := header(token)["kid"]
		if c.set == nil {
			_ = c.fetch()
			newest = kid
		}
		if _, known := c.set.Key(kid); !known || kid != newest {
			before := c.set
			_ = c.fetch()
			if _, knew := before.Key(kid); !knew {
				if _, known := c.set.Key(kid); known {
					newest = kid
				}
			}
		}
		if kid != newest {
			return 401
		}
		return c.check(token)
	})
}

// hoarder adds what it fetches to what it has.
func hoarder(s *site) http.Handler {
	c := &cache{site: s}
	var all [][]byte
	return behind(func(token string) int {
		if c.check(token, all...) == 200 {
			return 200
		}
		_ = c.fetch()
		all = append(all, c.jwks)
		return c.check(token, all...)
	})
}

// crashing answers 500 where 401 is meant.
func crashing(s *site) http.Handler {
	inner := looking(func(c *cache, _ bool) error { return c.fetchUnlessAway() })(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		if inner.ServeHTTP(rec, r); rec.Code == 401 {
			rec.Code = 500
		}
		w.WriteHeader(rec.Code)
		io.Copy(w, rec.Body)
	})
}

func (c *cache) fetchUnlessAway() error {
	if err := c.fetch(); err != nil && c.set == nil {
		return err
	}
	return nil
}

// TestEachRefusal: an API that leaves out one check fails for that one alone.
func TestEachRefusal(t *testing.T) {
	for id, lacks := range map[string]func(s *site, token string) bool{
		"no-token":       func(_ *site, token string) bool { return token == "" },
		"wrong-audience": func(_ *site, token string) bool { return !strings.Contains(payload(token)["aud"], audience) },
		"wrong-issuer":   func(s *site, token string) bool { return payload(token)["iss"] != s.issuer },
		"expired":        func(_ *site, token string) bool { return overdue(token) },
		"alg-none":       func(_ *site, token string) bool { return header(token)["alg"] == "none" },
		"alg-hs256":      func(_ *site, token string) bool { return header(token)["alg"] == "HS256" },
		"tampered":       func(_ *site, token string) bool { return payload(token)["sub"] == "somebody-else" },
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, quick(), Target{}, func(s *site) http.Handler {
				c := &cache{site: s}
				return behind(func(token string) int {
					if err := c.fetchUnlessAway(); err != nil {
						return 503
					}
					if (token == "") == (id == "no-token") && lacks(s, token) {
						return 200
					}
					return c.check(token)
				})
			})
			if goOn, err := s.rehearsal.refusals(t.Context()); err != nil || goOn != (id != "no-token" && id != "tampered") {
				t.Errorf("goes on: %v, %v", goOn, err)
			}
			if got := s.rehearsal.report.verdicts(); !strings.HasPrefix(got+";", "fail: "+id+";") {
				t.Errorf("found %s", got)
			}
		})
	}
}

// TestBounds: a run ends when it is told to, and an API that does not answer
// is one that does not accept.
func TestBounds(t *testing.T) {
	s := newSite(t, quick(), Target{}, looking(func(c *cache, _ bool) error { return c.fetchUnlessAway() }))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.rehearsal.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	s.rehearsal.target.URL = gone.URL
	s.rehearsal.report = Report{}
	if report := s.run(t); report.verdicts() != "fail: valid" || !strings.Contains(report.Findings[0].Seen, "no answer (dial") {
		t.Errorf("found %+v", report.Findings)
	}
}

// TestNew refuses what cannot be rehearsed, and says why.
func TestNew(t *testing.T) {
	good := Target{URL: "https://api.example/me"}
	for name, tt := range map[string]struct {
		target Target
		cfg    Config
		part   string
	}{
		"no URL":           {Target{}, Config{Issuer: "http://127.0.0.1:1"}, "API's URL"},
		"file URL":         {Target{URL: "file:///etc/passwd"}, Config{Issuer: "http://127.0.0.1:1"}, "API's URL"},
		"credentials":      {Target{URL: "https://u:p@api.example"}, Config{Issuer: "http://127.0.0.1:1"}, "without credentials"},
		"no issuer":        {good, Config{}, "issuer"},
		"final slash":      {good, Config{Issuer: "http://127.0.0.1:1/"}, "final slash"},
		"short period":     {good, Config{Issuer: "http://127.0.0.1:1", Period: time.Millisecond}, "whole seconds"},
		"no patience":      {good, Config{Issuer: "http://127.0.0.1:1", Patience: 1}, "patience"},
		"great flood":      {good, Config{Issuer: "http://127.0.0.1:1", Flood: 1 << 20}, "10000"},
		"unknown alg":      {Target{URL: good.URL, Algorithm: "HS256"}, Config{Issuer: "http://127.0.0.1:1"}, "ES256 or RS256"},
		"beyond this host": {good, Config{Issuer: "http://issuer.internal:8080/x"}, ""},
	} {
		_, err := New(tt.target, tt.cfg)
		if (err == nil) != (tt.part == "") || err != nil && (!strings.Contains(err.Error(), tt.part) || strings.Contains(err.Error(), "u:p")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := DefaultAudience("https://api.example:8443/me?x"); got != "https://api.example:8443" {
		t.Errorf("the default audience is %q", got)
	}
}

// TestExcerpt: what an API answers neither steers a terminal nor fills it, and
// the token is not shown.
func TestExcerpt(t *testing.T) {
	got := excerpt("a\x1b[2J\r\nb the.to.ken "+strings.Repeat("x", 1000), "the.to.ken")
	if strings.ContainsAny(got, "\x1b\r\n") || strings.Contains(got, "the.to.ken") || len([]rune(got)) > maxExcerpt+1 {
		t.Errorf("got %q", got)
	}
}
