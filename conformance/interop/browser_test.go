package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// chromium is Debian's.
const chromium = "/usr/bin/chromium"

// TestBrowser: a page of another origin, in two tabs of a real browser.
func TestBrowser(t *testing.T) {
	t.Parallel()
	needNode(t, "playwright-core")
	need(t, "Debian's chromium", "test", "-x", chromium)
	d := serve(t)
	token := d.login(t)
	page, stranger := servePage(t, d), servePage(t, d)
	d.addClient(t, "--id", pageClient, "--origin", page)
	job, err := json.Marshal(map[string]any{
		"issuer": d.Issuer, "page": page, "stranger": stranger, "chromium": chromium, "client_id": pageClient,
		"username": d.Username, "password": d.Password,
		"subject": call(t, d.client().Client(t.Context(), token), d),
	})
	if err != nil {
		t.Fatal(err)
	}
	browser := converse(t, "node", "node/browser.mjs")
	said := string(job)
	for _, step := range []string{
		"a wrong password is said to be wrong",
		"signs in across origins",
		"a second tab is signed in, too",
		"two tabs that refresh at once stay signed in",
		"two tabs without locks get the same refresh token",
		"ten refreshes at once get the same refresh token",
		"a lost answer costs nothing",
		"a preflight is answered, and headers can be read",
		"logging out in one tab shows the login form in the other",
		"a page of an unregistered origin reads nothing",
	} {
		if done, err := browser.say(said); err != nil || done != step {
			t.Fatalf("%s: got %q, %v", step, done, err)
		}
		said = "" // it waits for nothing more
	}
	if err := browser.end(); err != nil {
		t.Error(err)
	}
}

const pageClient = "page"

// servePage serves node/page, and an API that knows who calls, on an origin of
// their own. The policy is what docs/clients.md advises.
func servePage(t *testing.T, d demo) (origin string) {
	t.Helper()
	verify := plainGoOIDC(t, d, audience)
	mux := http.NewServeMux()
	files := http.FileServer(http.Dir("node/page"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self' "+d.Issuer+"; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("/config.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "client_id": %q}`, d.Issuer, pageClient)
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		subject, err := verify(r.Context(), token)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"sub": %q}`, subject)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestReferenceClient: the client that docs/clients.md shows passes each case
// for client authors, and each case fails a client with something wrong.
func TestReferenceClient(t *testing.T) {
	need(t, "Node", "node", "--version")
	d := serve(t)
	for last, args := range map[string][]string{
		"all passed":                 {"node/check/check.mjs", "node/page/client.js", d.data + "/demo.json"},
		"all 39 mutants were caught": {"node/check/mutants.mjs", d.data + "/demo.json"},
	} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", args...)
			cmd.WaitDelay = time.Second
			out, err := cmd.CombinedOutput()
			if text := strings.TrimSpace(string(out)); err != nil || !strings.HasSuffix(text, "\n"+last) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
