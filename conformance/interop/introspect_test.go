package interop

import (
	"encoding/json"
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
