package interop

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	"golang.org/x/oauth2"
)

// client is golang.org/x/oauth2 for the demo's public client. The style is
// left to be found out, as it is by default.
func (d demo) client() *oauth2.Config {
	return &oauth2.Config{ClientID: d.ClientID, Endpoint: oauth2.Endpoint{TokenURL: d.Issuer + "/oauth2/token"}}
}

func (d demo) login(t *testing.T) *oauth2.Token {
	t.Helper()
	token, err := d.client().PasswordCredentialsToken(t.Context(), d.Username, d.Password)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestOAuth2 signs in with a password and goes on calling the API while access
// tokens run out: the library refreshes by itself, ten seconds ahead.
func TestOAuth2(t *testing.T) {
	d := serve(t, "--access-lifetime", "11s")
	token := d.login(t)
	http := d.client().Client(t.Context(), token)
	first := call(t, http, d)
	time.Sleep(time.Until(token.Expiry.Add(-10*time.Second)) + 500*time.Millisecond)
	second := call(t, http, d)
	if first != second || first == "" {
		t.Errorf("the API saw subject %q, then %q", first, second)
	}
	now, err := http.Transport.(*oauth2.Transport).Source.Token()
	if err != nil || now.AccessToken == token.AccessToken || now.RefreshToken == token.RefreshToken {
		t.Errorf("the library did not refresh: %v", err)
	}
}

// call asks the demo API who the token's subject is.
func call(t *testing.T, c *http.Client, d demo) string {
	t.Helper()
	resp, err := c.Get(d.Issuer + "/demo/me")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var me struct {
		Subject string `json:"sub"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s answered %s, %v", d.Issuer+"/demo/me", resp.Status, err)
	}
	return me.Subject
}

// A verifier is a resource server's library, set up with issuer and audience.
type verifier func(ctx context.Context, token string) (subject string, err error)

// TestVerifiers: each library verifies tokens from before and after a
// rotation through what it finds at the issuer, and refuses another audience.
func TestVerifiers(t *testing.T) {
	d := serve(t)
	libraries := map[string]func(*testing.T, demo, string) verifier{"go-oidc": goOIDC, "jwx": jwx, "keyfunc": keyFunc}
	verifiers, strangers := map[string]verifier{}, map[string]verifier{}
	for name, setUp := range libraries {
		verifiers[name], strangers[name] = setUp(t, d, audience), setUp(t, d, "https://stranger.example")
	}
	before := d.login(t)
	d.check(t, verifiers, before)
	d.operate(t, "keys", "rotate", "--now")
	after := d.eventually(t, before)
	for _, token := range []*oauth2.Token{before, after} {
		d.check(t, verifiers, token)
		for name, verify := range strangers {
			if _, err := verify(t.Context(), token.AccessToken); err == nil {
				t.Errorf("%s accepted a token for another audience", name)
			}
		}
	}
	for name, verify := range verifiers {
		forged := before.AccessToken[:len(before.AccessToken)-8] + "AAAAAAAA"
		if _, err := verify(t.Context(), forged); err == nil {
			t.Errorf("%s accepted a forged token", name)
		}
	}
}

func (d demo) check(t *testing.T, verifiers map[string]verifier, token *oauth2.Token) {
	t.Helper()
	want := call(t, d.client().Client(t.Context(), token), d)
	for name, verify := range verifiers {
		if subject, err := verify(t.Context(), token.AccessToken); err != nil || subject != want {
			t.Errorf("%s: subject %q, %v; want %q", name, subject, err, want)
		}
	}
}

// eventually returns a token signed with another key than an earlier one: the
// running server learns of a rotation within a poll.
func (d demo) eventually(t *testing.T, earlier *oauth2.Token) *oauth2.Token {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		if token := d.login(t); kid(t, token) != kid(t, earlier) {
			return token
		}
	}
	t.Fatal("the server went on signing with the old key")
	return nil
}

func kid(t *testing.T, token *oauth2.Token) any {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token.AccessToken, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"]
}

func goOIDC(t *testing.T, d demo, audience string) verifier {
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

func jwx(t *testing.T, d demo, audience string) verifier {
	cache, err := jwk.NewCache(t.Context(), httprc.NewClient())
	if err == nil {
		err = cache.Register(t.Context(), d.jwksURI())
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

func keyFunc(t *testing.T, d demo, audience string) verifier {
	set, err := keyfunc.NewDefaultCtx(t.Context(), []string{d.jwksURI()})
	if err != nil {
		t.Fatal(err)
	}
	return parseWith(d, set, audience)
}

func parseWith(d demo, set keyfunc.Keyfunc, audience string) verifier {
	parser := jwt.NewParser(jwt.WithIssuer(d.Issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return func(_ context.Context, raw string) (string, error) {
		token, err := parser.Parse(raw, set.Keyfunc)
		if err != nil {
			return "", err
		}
		return token.Claims.GetSubject()
	}
}
