package verify

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func TestNewRefuses(t *testing.T) {
	jwks := newForge(t).jwks
	for name, test := range map[string]struct {
		issuer, audience string
		option           Option
		want             string
	}{
		"no issuer":         {"", audience, WithKeySet(jwks), "the issuer is empty"},
		"http issuer":       {"http://auth.example.com", audience, WithKeySet(jwks), "not https"},
		"no audience":       {issuerURL, "", WithKeySet(jwks), "the audience is empty"},
		"broken keys":       {issuerURL, audience, WithKeySet([]byte("{")), "key set"},
		"no keys":           {issuerURL, audience, WithKeySet([]byte(`{"keys":[]}`)), "no usable key"},
		"no client":         {issuerURL, audience, WithHTTPClient(nil), "client is nil"},
		"negative leeway":   {issuerURL, audience, WithLeeway(-1), "leeway"},
		"excessive leeway":  {issuerURL, audience, WithLeeway(time.Hour), "leeway"},
		"no clock":          {issuerURL, audience, WithClock(nil), "clock is nil"},
		"no logger":         {issuerURL, audience, WithLogger(nil), "logger is nil"},
		"nobody at address": {"http://127.0.0.1:1", audience, WithLeeway(0), "fetch http://127.0.0.1:1/.well-known"},
	} {
		v, err := New(t.Context(), test.issuer, test.audience, test.option)
		if err == nil || v != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v; want an error with %q", name, v, err, test.want)
		}
	}
}

func TestVerifyReturnsClaims(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	got, err := v.Verify(t.Context(), f.es(claims().
		with("aud", `["x",`+quote(audience)+`]`).with("scope", `" a  b "`).with("auth_time", at(-time.Hour)+".25").
		with("sid", `"s"`).with("nbf", "0").with("roles", `["r1","r2"]`).with("groups", `"g"`).with("entitlements", `[]`).
		with("user_id", "12345678901234567890").with("Sub", `"x"`)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Claims{
		Issuer: issuerURL, Subject: "user-1", Audience: []string{"x", audience},
		ExpiresAt: noon.Add(10 * time.Minute), IssuedAt: noon, AuthTime: noon.Add(-time.Hour + 250*time.Millisecond),
		ID: "token-1", ClientID: "web", Scope: []string{"a", "b"}, SessionID: "s",
		Roles: []string{"r1", "r2"}, Entitlements: []string{},
		Extra: map[string]any{"user_id": json.Number("12345678901234567890"), "Sub": "x", "groups": "g"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err = v.Verify(t.Context(), f.es(claims())); err != nil || got.Extra != nil || !got.AuthTime.IsZero() {
		t.Errorf("without extras: got %+v, %v", got, err)
	}
}

func TestLeeway(t *testing.T) {
	f := newForge(t)
	for _, leeway := range []time.Duration{0, time.Second, time.Minute, 10 * time.Minute} {
		v, err := New(t.Context(), issuerURL, audience, WithKeySet(f.jwks), WithClock(clock), WithLeeway(leeway))
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			member string
			at     time.Duration
			ok     bool
		}{
			{"exp", -leeway + time.Second, true}, {"exp", -leeway, false}, {"exp", -leeway - time.Second, false},
			{"nbf", leeway, true}, {"nbf", leeway + time.Second, false},
			{"iat", leeway, true}, {"iat", leeway + time.Second, false},
		} {
			_, err := v.Verify(t.Context(), f.es(claims().with(test.member, at(test.at))))
			if test.ok != (err == nil) || !test.ok && err.(*Error).Check != test.member {
				t.Errorf("leeway %s: %s at now%+v: %v", leeway, test.member, test.at, err)
			}
		}
	}
	// The default is a minute.
	v := attackVerifier(t, f.jwks)
	for age, ok := range map[time.Duration]bool{-59 * time.Second: true, -60 * time.Second: false} {
		if _, err := v.Verify(t.Context(), f.es(claims().with("exp", at(age)))); ok != (err == nil) {
			t.Errorf("expired %s ago: %v", -age, err)
		}
	}
}

func TestSize(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	short := f.es(claims().with("x", `""`))
	fill := (maxToken - len(short)) / 4 * 3
	if _, err := v.Verify(t.Context(), f.es(claims().with("x", quote(strings.Repeat("x", fill-3))))); err != nil {
		t.Errorf("just short enough: %v", err)
	}
	for _, size := range []int{fill + 6, 1 << 20, 10 << 20} {
		_, err := v.Verify(t.Context(), f.es(claims().with("x", quote(strings.Repeat("x", size)))))
		if err == nil || err.(*Error).Check != "size" {
			t.Errorf("%d bytes too many: %v", size, err)
		}
	}
}

func TestError(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	_, err := v.Verify(t.Context(), f.es(claims().with("exp", at(-time.Hour))))
	var why *Error
	if !errors.As(err, &why) || why.Check != "exp" || why.Section != "RFC 9068 §4" || why.Unavailable {
		t.Fatalf("got %#v", err)
	}
	if want := "token refused: exp: the token expired 1h0m0s ago, at 2026-11-23T11:00:00Z"; err.Error() != want {
		t.Errorf("got %q", err)
	}
	_, err = v.Verify(t.Context(), f.token(f.ec, head("ES256", "unknown"), claims()))
	if !errors.Is(cause(err), errUnknownKey) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// Explain and Verify are of one mind about every attack, down to the check.
func TestExplainAgrees(t *testing.T) {
	jwks, attacks := readAttacks(t)
	v := attackVerifier(t, jwks)
	for _, a := range attacks {
		report := v.Explain(t.Context(), a.token)
		if len(report) != len(v.asked()) {
			t.Fatalf("%s: %d checks are reported", a.name, len(report))
		}
		first := slices.IndexFunc(report, func(c Check) bool { return !c.OK })
		switch {
		case a.refuse == "" && first >= 0:
			t.Errorf("%s: %+v", a.name, report[first])
		case a.refuse != "" && (first < 0 || report[first].Name != a.refuse || report[first].Skipped || report[first].Detail == ""):
			t.Errorf("%s: got %+v, want %s to fail first", a.name, report, a.refuse)
		}
		for _, c := range report {
			if c.OK && c.Skipped || c.Name == "" || c.Section == "" {
				t.Errorf("%s: %+v", a.name, c)
			}
		}
	}
}

func TestExplainGoesOn(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	failed := func(raw string) (failed, skipped string) {
		var f, s []string
		for _, c := range v.Explain(t.Context(), raw) {
			if c.Skipped {
				s = append(s, c.Name)
			} else if !c.OK {
				f = append(f, c.Name)
			}
		}
		return strings.Join(f, " "), strings.Join(s, " ")
	}
	for name, test := range map[string]struct{ token, failed, skipped string }{
		"good":           {f.es(claims()), "", ""},
		"three mistakes": {f.token(f.attacker, head("ES256", "es1").with("typ", `"JWT"`), claims().with("exp", "1")), "typ exp signature", ""},
		"bad header":     {f.token(f.ec, text("x"), claims().without("sub")), "header sub", "alg crit kid typ key signature"},
		"bad payload":    {f.es(text("x")), "claims", "iss aud exp nbf iat sub client_id jti scope session"},
		"wrong alg":      {f.token(f.ec, head("HS256", "es1"), claims()), "alg key", "signature"},
		"not a token":    {"x", "form", "header alg crit kid claims iss typ aud exp nbf iat sub client_id jti scope session key signature"},
		"too long":       {strings.Repeat("x", maxToken+1), "size", "form header alg crit kid claims iss typ aud exp nbf iat sub client_id jti scope session key signature"},
	} {
		if failures, skips := failed(test.token); failures != test.failed || skips != test.skipped {
			t.Errorf("%s: failed %q, skipped %q", name, failures, skips)
		}
	}
	// What a token says must not move the cursor of whoever looks at it.
	for _, c := range v.Explain(t.Context(), f.es(claims().with("sub", `"\u001b[2J\u202eevil\n"`+strings.Repeat(" ", 5)))) {
		if strings.ContainsAny(c.Detail, "\x1b\n\u202e") {
			t.Errorf("%s: %q", c.Name, c.Detail)
		}
	}
}

// The package stays small enough to be learnt in a sitting.
func TestExportedNames(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				add(decl.Name)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name)
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							add(id)
						}
					}
				}
			}
		}
	}
	if len(names) > 25 || len(names) < 10 {
		t.Errorf("%d exported names, methods included: %q", len(names), names)
	}
}

// A resource server must not get a C compiler, SQL or a router into its build
// by verifying tokens.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f",
		`{{if not .Standard}}{{.ImportPath}}{{if .CgoFiles}} cgo{{end}}{{else if eq .ImportPath "database/sql"}}{{.ImportPath}}{{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/hallmark-auth/hallmark/discovery"
	var ours int
	for line := range strings.Lines(string(out)) {
		switch path := strings.TrimSpace(line); {
		case path == module, path == module+"/verify":
			ours++
		case path == "", path == "github.com/go-jose/go-jose/v4", strings.HasPrefix(path, "github.com/go-jose/go-jose/v4/") && !strings.HasSuffix(path, " cgo"):
		default:
			t.Errorf("importing this package links %s", path)
		}
	}
	if ours != 2 {
		t.Errorf("go list named %d of our packages:\n%s", ours, out)
	}
}

func TestVerifyIsSafeForConcurrentUse(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	good, bad := f.es(claims()), f.es(claims().without("sub"))
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 20 {
				if _, e := v.Verify(context.Background(), good); e != nil {
					err = e
				}
				if _, e := v.Verify(context.Background(), bad); e == nil {
					err = errors.New("accepted")
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
