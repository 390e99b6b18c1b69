package interop

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
)

// client is golang.org/x/oauth2 for the demo's public client. The style is
// left to be found out, as it is by default.
func (d demo) client() *oauth2.Config {
	return &oauth2.Config{ClientID: d.ClientID, Endpoint: oauth2.Endpoint{TokenURL: d.Issuer + "/oauth2/token"}}
}

func (d demo) login(t *testing.T) *oauth2.Token {
	t.Helper()
	return d.loginAs(t, d.Issuer, d.ClientID)
}

// loginAs signs the demo's user in through another public client, or at
// another server that knows them both.
func (d demo) loginAs(t *testing.T, issuer, client string) *oauth2.Token {
	t.Helper()
	config := d.client()
	config.ClientID, config.Endpoint.TokenURL = client, issuer+"/oauth2/token"
	token, err := config.PasswordCredentialsToken(t.Context(), d.Username, d.Password)
	if err != nil {
		t.Fatalf("%s: %v", client, err)
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

// eventually returns a token signed with another key than an earlier one: the
// running server learns of a rotation within a poll.
func (d demo) eventually(t *testing.T, earlier *oauth2.Token) *oauth2.Token {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		if token := d.login(t); kid(t, token.AccessToken) != kid(t, earlier.AccessToken) {
			return token
		}
	}
	t.Fatal("the server went on signing with the old key")
	return nil
}

// kid returns which key a token names.
func kid(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := parsed.Header["kid"].(string)
	return id
}
