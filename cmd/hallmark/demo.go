package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	demoUser     = "demo"
	demoAudience = "urn:example:demo-api" // RFC 6963; the same whatever port is listened on
	demoPath     = "/demo/me"
	demoScope    = "read"
)

// A demo is what serve --demo adds to a server: a user, a public client and an
// API, and demo.json, which remembers the credentials for the next start and
// for scripts.
type demo struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Password string `json:"password"`

	path string
}

// loadDemo reads demo.json, or draws new credentials if there is none.
func loadDemo(dir string) (*demo, error) {
	d := &demo{path: filepath.Join(dir, "demo.json")}
	text, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		d.ClientID, d.Username, d.Password = "demo-"+random(), demoUser, random()
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, d)
	}
	if err == nil && (d.ClientID == "" || d.Username == "" || d.Password == "") {
		err = errors.New("credentials are missing")
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used (%w): restore it, or start the demo with another --data", d.path, err)
	}
	return d, nil
}

// random returns 144 bits in base64url: 24 characters that no shell minds.
func random() string {
	b := make([]byte, 18)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// refuse keeps a demo, with its printed password, away from a store that
// people use.
func (d *demo) refuse(ctx context.Context, users operator.UserList) error {
	found, err := users.Users(ctx, "", 2)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	_, err = os.Stat(d.path)
	remembered := err == nil
	for _, u := range found {
		switch {
		case u.Name != d.Username:
			return fail(exitConflict, "--demo: the store has another user than the demo's (%q), and a demo prints a password: start without --demo, or with another --data", u.Name)
		case !remembered:
			return fail(exitConflict, "--demo: the store has a user, and %s, which remembers the demo's password, is gone: restore it, or start with another --data", d.path)
		}
	}
	return nil
}

// prepare makes what is missing. The file comes first: a start that was
// interrupted here is finished by the next one.
func (d *demo) prepare(ctx context.Context, o *operator.Operator) error {
	if err := d.save(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	_, _, err := o.AddClient(ctx, operator.NewClient{
		ID: d.ClientID, Name: "Demo", AuthMethod: storage.AuthNone,
		ClientPolicy: storage.ClientPolicy{
			Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
			Scopes: []string{"read", "write"}, DefaultScopes: []string{"read", "write"},
			Audiences: []string{demoAudience}, Claims: []string{"roles"},
			RetryWindow: storage.DefaultRetryWindow, Rotate: true,
		},
	})
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("demo: %w", err)
	}
	if _, err := o.User(ctx, d.Username); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	_, err = o.AddUser(ctx, operator.NewUser{
		Name: d.Username, Password: storage.NewSecret(d.Password),
		Claims: storage.UserClaims{Roles: []string{"demonstrator"}},
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// save writes demo.json, whole or not at all.
func (d *demo) save() error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(d.path), ".demo-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.path)
}

// prepareDemo makes the demo's user and client.
func (g *instance) prepareDemo(ctx context.Context) error {
	if g.demo == nil {
		return nil
	}
	g.demo.Issuer = g.cfg.Issuer
	return g.demo.prepare(ctx, &g.Operator)
}

// besideDemo serves the demo API beside the server. Who calls it before it is
// up waits for it.
func (g *instance) besideDemo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != demoPath {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case <-g.demoUp:
			g.demoAPI.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// startAPI returns the demo API: a resource server like any other, which gets
// the issuer's keys over HTTP and verifies by itself. Only the way to the
// issuer is shortened: it is the listener of this process, whatever name and
// port the issuer has outside.
func (d *demo) startAPI(ctx context.Context, listener net.Addr, opts ...verify.Option) (http.Handler, func(), error) {
	if strings.HasPrefix(d.Issuer, "http:") {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, listener.Network(), reachable(listener))
		}
		opts = append(opts, verify.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
	}
	v, err := verify.New(ctx, d.Issuer, demoAudience, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("demo API: %w; see whether the issuer is this server", err)
	}
	return v.Require(demoScope)(http.HandlerFunc(demoMe)), v.Close, nil
}

// demoMe answers with what the token says about its bearer.
func demoMe(w http.ResponseWriter, r *http.Request) {
	claims, ok := verify.FromContext(r.Context())
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone if it fails
		"sub": claims.Subject, "client_id": claims.ClientID, "scope": claims.Scope,
		"roles": claims.Roles, "expires_at": stamp(claims.ExpiresAt),
	})
}

// apiURL is where the demo API is found: beside the issuer, below its host.
func (d *demo) apiURL() string {
	u, err := url.Parse(d.Issuer)
	if err != nil {
		return d.Issuer + demoPath
	}
	return u.Scheme + "://" + u.Host + demoPath
}

// print shows what to paste.
func (d *demo) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, `Hallmark demo, issuer %[1]s

Get tokens:
  TOKENS=$(curl -s %[1]s/oauth2/token -d client_id=%[2]s -d grant_type=password -d username=%[3]s -d password=%[4]s); echo "$TOKENS"
  ACCESS=$(echo "$TOKENS" | sed 's/.*"access_token":"\([^"]*\)".*/\1/') REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')

Call the demo API, which verifies the token by itself:
  curl -s %[5]s -H "Authorization: Bearer $ACCESS"

Refresh:
  curl -s %[1]s/oauth2/token -d client_id=%[2]s -d grant_type=refresh_token -d refresh_token=$REFRESH

Verify, check by check:
  %[6]s verify --issuer %[1]s --audience %[7]s $ACCESS

The same credentials are in %[8]s.
`, d.Issuer, d.ClientID, d.Username, d.Password, d.apiURL(), ownName(), demoAudience, d.path)
	return err
}

// ownName is how to call this program from the shell it was started in.
func ownName() string {
	path, err := os.Executable()
	if err != nil || strings.Contains(path, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/hallmark"
	}
	if found, err := exec.LookPath("hallmark"); err == nil && found == path {
		return "hallmark"
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
