package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

// A foreign server is a token server of others, set up as its manual says, and
// what the suite may use there: clients and users that are made for the run.
type foreign struct {
	issuer string
	dir    string // with the files of secrets
	flags  []string
}

// client gives the suite a client by the flags --FLAG-…, and returns its
// secret, of which a public one has none.
func (f *foreign) client(t *testing.T, flag, id, method string) (secret string) {
	t.Helper()
	f.flags = append(f.flags, "--"+flag+"-id", id, "--"+flag+"-auth", method)
	if method == "none" {
		return ""
	}
	secret = rand.Text() + rand.Text()
	f.flags = append(f.flags, "--"+flag+"-secret-file", f.secret(t, flag, secret))
	return secret
}

// keyClient gives the suite a client that authenticates with a key, and returns
// what the server is to know of it.
func (f *foreign) keyClient(t *testing.T, id string) *jose.JSONWebKeySet {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: id, Algorithm: "ES256", Use: "sig"}
	text, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	f.flags = append(f.flags, "--jwt-client-id", id, "--jwt-client-key-file", f.secret(t, "jwt-client", string(text)))
	return &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
}

// users gives it one that signs in and one that wrong passwords are tried on.
func (f *foreign) users(t *testing.T) map[string]string {
	t.Helper()
	users := map[string]string{"alice": rand.Text(), "victim": "longer than the 72 bytes that bcrypt would read of it, with é€😀 in it: " + rand.Text()}
	f.flags = append(f.flags,
		"--username", "alice", "--password-file", f.secret(t, "password", users["alice"]),
		"--user2-username", "victim", "--user2-password-file", f.secret(t, "password2", users["victim"]))
	return users
}

func (f *foreign) secret(t *testing.T, name, value string) string {
	t.Helper()
	file := filepath.Join(f.dir, name)
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// examine runs hallmark conformance.
func (f *foreign) examine(t *testing.T, more ...string) conformance.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	args := append([]string{"conformance", "--issuer", f.issuer, "--json"}, f.flags...)
	cmd := exec.CommandContext(ctx, binary, append(args, more...)...)
	var records strings.Builder
	cmd.Stderr = &records
	out, err := cmd.Output() // which fails, for there are findings
	var report conformance.Report
	if problem := json.Unmarshal(out, &report); problem != nil || len(report.Results) == 0 {
		t.Fatalf("%v, %v: %s\n%s", err, problem, records.String(), out)
	}
	t.Log(report.Summary())
	return report
}

// found compares a whole run with what is known of the server: each case that
// does not hold is in findings, with the reason, and no other; nothing is
// inconclusive, and so many at least pass. So neither a case that has become
// unfair goes unnoticed, nor a finding that is lost.
func found(t *testing.T, report conformance.Report, findings map[string]string, passes int) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range report.Results {
		_, known := findings[r.ID]
		seen[r.ID] = true
		bad := r.Outcome == conformance.Fail || r.Outcome == conformance.Warn
		if bad != known || r.Outcome == conformance.Inconclusive {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
	for id, reason := range findings {
		if !seen[id] || reason == "" {
			t.Errorf("%s: there is no such case, or no reason", id)
		}
	}
	if n := report.Count(conformance.Pass); n < passes {
		t.Errorf("%d cases pass, fewer than %d", n, passes)
	}
}

// names wants a defect that was made on purpose to be named: by these cases,
// all of which held without it.
func names(t *testing.T, report conformance.Report, known map[string]string, ids ...string) {
	t.Helper()
	outcomes := map[string]conformance.Outcome{}
	for _, r := range report.Results {
		outcomes[r.ID] = r.Outcome
	}
	for _, id := range ids {
		if o := outcomes[id]; o != conformance.Fail && o != conformance.Warn {
			t.Errorf("%s is %q: it does not name the defect", id, o)
		}
		if known[id] != "" {
			t.Errorf("%s does not hold without the defect either", id)
		}
	}
}
