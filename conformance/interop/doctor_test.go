package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

// TestDoctorVerifier has `hallmark doctor verifier` play a rotation to APIs
// built on other libraries as their documentation has it, and holds down what
// it says of each.
func TestDoctorVerifier(t *testing.T) {
	for name, tt := range map[string]struct {
		setUp func(*testing.T, demo, string) verifier
		fails string // what is not ok, by verdict
		notes string
	}{
		// It asks for the keys for every kid that it does not know, and only then.
		"go-oidc": {plainGoOIDC, "", "flood revoked"},
		// Its cache obeys no max-age under a quarter of an hour and fetches for no
		// kid: announced 25 hours ahead, keys reach it; in a minute, none do.
		"jwx": {plainJWX, "announced", ""},
		// Told to fetch every second, it follows.
		"jwx at one second": {jwxEverySecond, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			survives, by := doctor(t, tt.setUp)
			if survives != (tt.fails == "") || by["fail"] != tt.fails || by["warn"] != tt.notes {
				t.Errorf("survives: %v, %v", survives, by)
			}
		})
	}
}

// doctor rehearses with an API and returns what it says, by verdict.
func doctor(t *testing.T, setUp func(*testing.T, demo, string) verifier) (survives bool, by map[string]string) {
	t.Helper()
	address := "127.0.0.1:" + freePort(t)
	api := httptest.NewServer(protect(t, demo{Issuer: "http://" + address}, setUp))
	defer api.Close()
	cmd := exec.CommandContext(t.Context(), binary, "doctor", "verifier", api.URL, "--json", "--listen", address,
		"--audience", audience, "--timeout", "5s")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var report struct {
		Survives bool
		Findings []struct{ ID, Verdict, Seen string }
	}
	if json.Unmarshal(out.Bytes(), &report) != nil || len(report.Findings) == 0 || (err == nil) != report.Survives {
		t.Fatalf("ended with %v\n%s%s", err, out.String(), errs.String())
	}
	by = map[string]string{}
	for _, f := range report.Findings {
		by[f.Verdict] = strings.TrimSpace(by[f.Verdict] + " " + f.ID)
		t.Logf("%-14s %-7s %s", f.ID, f.Verdict, f.Seen)
	}
	return report.Survives, by
}

// protect is an API that sets its verifier up when the issuer is there.
func protect(t *testing.T, d demo, setUp func(*testing.T, demo, string) verifier) http.Handler {
	var mu sync.Mutex
	var verify verifier
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if verify == nil && answers(d) {
			verify = setUp(t, d, audience)
		}
		check := verify
		mu.Unlock()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if check == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if _, err := check(r.Context(), token); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, "hello")
	})
}

func answers(d demo) bool {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(d.Issuer, "http://"), time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// A verifier is a resource server's library, set up with issuer and audience.
type verifier func(ctx context.Context, token string) (subject string, err error)

func plainGoOIDC(t *testing.T, d demo, audience string) verifier {
	provider, err := oidc.NewProvider(t.Context(), d.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	verify := provider.VerifierContext(context.Background(), &oidc.Config{ClientID: audience})
	return func(ctx context.Context, raw string) (string, error) {
		token, err := verify.Verify(ctx, raw)
		if err != nil {
			return "", err
		}
		return token.Subject, nil
	}
}

func plainJWX(t *testing.T, d demo, audience string) verifier { return jwxWith(t, d, audience) }

func jwxEverySecond(t *testing.T, d demo, audience string) verifier {
	return jwxWith(t, d, audience, jwk.WithConstantInterval(time.Second))
}

func jwxWith(t *testing.T, d demo, audience string, options ...jwk.RegisterOption) verifier {
	cache, err := jwk.NewCache(t.Context(), httprc.NewClient())
	if err == nil {
		err = cache.Register(t.Context(), d.jwksURI(), options...)
	}
	if err != nil {
		t.Fatal(err)
	}
	set, err := cache.CachedSet(d.jwksURI())
	if err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, raw string) (string, error) {
		token, err := jwxjwt.ParseString(raw, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(d.Issuer), jwxjwt.WithAudience(audience))
		if err != nil {
			return "", err
		}
		subject, _ := token.Subject()
		return subject, nil
	}
}
