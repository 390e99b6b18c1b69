package interop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// TestIntrospectionClient: a library that reads answers strictly takes ours,
// finds the endpoint and the methods in the metadata, and is told of the end of
// a session at once.
func TestIntrospectionClient(t *testing.T) {
	needNode(t, "openid-client")
	t.Parallel()
	d := serve(t)
	task := struct {
		task
		APIID          string `json:"api_id"`
		APISecret      string `json:"api_secret"`
		StrangerID     string `json:"stranger_id"`
		StrangerSecret string `json:"stranger_secret"`
		PublicID       string `json:"public_id"`
	}{
		task:  task{Issuer: d.Issuer, ClientID: "app", Username: d.Username, Password: d.Password},
		APIID: "api", StrangerID: "stranger", PublicID: d.ClientID,
	}
	task.Secret = d.addClient(t, "--id", "app", "--auth", "client_secret_basic")
	task.APISecret = d.addClient(t, "--id", "api", "--auth", "client_secret_post", "--introspect", audience)
	task.StrangerSecret = d.addClient(t, "--id", "stranger", "--auth", "client_secret_basic", "--introspect", "https://other.example")
	raw, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	script := converse(t, "node", "node/introspect.mjs")
	answer, err := script.say(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	checkFindings(t, answer, map[string]any{
		"active": true, "token_type": "Bearer", "as_in_the_token": true, "wrong_hint": true, "own_access": true, "own_refresh": true,
		"refresh_of_another": "active", "access_for_another": "active", "rubbish": "active",
		"public_client": "WWWAuthenticateChallengeError 401 basic",
		"access_after":  "active", "refresh_after": "active",
	})
	if err := script.end(); err != nil {
		t.Error(err)
	}
}

// TestIntrospectingAPI: an API that asks lets a user in for exactly as long as
// the session lives.
func TestIntrospectingAPI(t *testing.T) {
	needApache(t)
	t.Parallel()
	d := serve(t)
	secret := d.addClient(t, "--id", "api", "--auth", "client_secret_basic", "--introspect", audience)
	api := apacheWith(t, site{issuer: d.Issuer, audience: audience}, "apache/introspect.conf", "CLIENT_ID=api", "CLIENT_SECRET="+secret)
	api.await(t)
	token := d.login(t)
	subject := call(t, d.client().Client(t.Context(), token), d)
	for range 2 {
		if got, ok := api.ask(t, token.AccessToken); !ok || got != subject {
			t.Fatalf("a good token is answered as %q's, %v", got, ok)
		}
	}
	for name, bad := range map[string]string{"rubbish": "rubbish", "a refresh token": token.RefreshToken, "another signature": token.AccessToken[:len(token.AccessToken)-8] + "AAAAAAAA"} {
		if got, ok := api.ask(t, bad); ok {
			t.Errorf("%s is taken, as %q's", name, got)
		}
	}
	resp, err := http.PostForm(d.Issuer+"/oauth2/revoke", url.Values{"client_id": {d.ClientID}, "token": {token.RefreshToken}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, ok := api.ask(t, token.AccessToken); ok {
		t.Errorf("after the logout the token is taken, as %q's", got)
	}
}
