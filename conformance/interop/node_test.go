package interop

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// needNode stops a test that lacks Node or one of the packages of the lock file.
func needNode(t *testing.T, packages ...string) {
	t.Helper()
	for _, p := range packages {
		need(t, "npm's "+p+" (npm ci --prefix conformance/interop/node)", "node", "-e", "require('fs').accessSync('node/node_modules/'+process.argv[1])", p)
	}
}

// A task is what node/peer.mjs reads. Secrets go to a script's standard input.
type task struct {
	Issuer    string `json:"issuer"`
	API       string `json:"api"`
	Audience  string `json:"audience"`
	Discovery string `json:"discovery"`
	ClientID  string `json:"client_id"`
	Secret    string `json:"client_secret,omitempty"`
	Method    string `json:"method"`
	Username  string `json:"username"`
	Password  string `json:"password"`
}

// strict is how oauth4webapi and openid-client name what they are refused.
var strict = map[string]string{
	"none": "", "client_secret_basic": "WWWAuthenticateChallengeError basic", "client_secret_post": "ResponseBodyError invalid_client",
}

// TestNodeClients: each client library signs in, calls the API, refreshes
// across a rotation of the keys, and names the OAuth error of a refusal, as a
// public and as a confidential client, in each way it has to authenticate.
func TestNodeClients(t *testing.T) {
	for _, c := range []struct {
		library, script string
		wrongPassword   string
		wrongSecret     map[string]string // by method, some of which are a library's own ways of client_secret_basic
	}{
		{"oauth4webapi", "oauth4webapi.mjs", "ResponseBodyError invalid_grant", strict},
		{"openid-client", "openid-client.mjs", "ResponseBodyError invalid_grant", strict},
		{"@badgateway/oauth2-client", "badgateway.mjs", "OAuth2HttpError invalid_grant", map[string]string{
			"none": "", "client_secret_basic": "OAuth2HttpError invalid_client",
			"client_secret_basic_interop": "OAuth2HttpError invalid_client", "client_secret_post": "OAuth2HttpError invalid_client",
		}},
		{"simple-oauth2", "simple-oauth2.mjs", "Error invalid_grant", map[string]string{
			"none": "", "client_secret_basic": "Error invalid_client",
			"client_secret_basic_loose": "Error invalid_client", "client_secret_post": "Error invalid_client",
		}},
	} {
		t.Run(c.library, func(t *testing.T) {
			needNode(t, c.library)
			t.Parallel()
			d := serve(t)
			token := d.login(t)
			subject := call(t, d.client().Client(t.Context(), token), d)
			scripts := map[string]*dialogue{}
			for method := range c.wrongSecret {
				scripts[method] = converse(t, "node", "node/"+c.script)
				if answer, err := scripts[method].say(d.task(t, method)); err != nil || answer != "rotate" {
					t.Fatalf("%s: it answered %q, %v", method, answer, err)
				}
			}
			d.operate(t, "keys", "rotate", "--now")
			d.eventually(t, token)
			for method, wrongSecret := range c.wrongSecret {
				t.Run(method, func(t *testing.T) {
					want := map[string]any{
						"api": subject, "api_after": subject, "old_after": subject,
						"rotated": true, "wrong_password": c.wrongPassword,
					}
					if wrongSecret != "" {
						want["wrong_secret"] = wrongSecret
					}
					if c.library == "oauth4webapi" { // it verifies as well
						want["subject"], want["subject_after"] = subject, subject
						want["stranger"] = "OperationProcessingError OAUTH_JWT_CLAIM_COMPARISON_FAILED"
					}
					want["revoked"] = c.wrongPassword // invalid_grant: the session is over
					answer, err := scripts[method].say("rotated")
					if err != nil {
						t.Fatal(err)
					}
					checkFindings(t, answer, want)
					if err := scripts[method].end(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func checkFindings(t *testing.T, answer string, want map[string]any) {
	t.Helper()
	found := map[string]any{}
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Fatalf("it answered %q: %v", answer, err)
	}
	for what, value := range want {
		if found[what] != value {
			t.Errorf("%s: found %v, want %v", what, found[what], value)
		}
	}
	for what, value := range found {
		if _, ok := want[what]; !ok {
			t.Errorf("%s: found %v, and it was not asked for", what, value)
		}
	}
}

// task is a script's task, with a client of its own unless it is the demo's
// public one. The id has what some libraries escape and others do not.
func (d demo) task(t *testing.T, method string) string {
	t.Helper()
	j := task{
		Issuer: d.Issuer, API: d.Issuer + "/demo/me", Audience: audience, Discovery: "oidc",
		ClientID: d.ClientID, Method: method, Username: d.Username, Password: d.Password,
	}
	if method != "none" {
		j.Discovery = "oauth2" // the other place of the metadata, RFC 8414's
		registered := "client_secret_basic"
		if method == "client_secret_post" {
			registered = method
		}
		j.ClientID = "back-end_1." + method
		j.Secret = d.addClient(t, "--id", j.ClientID, "--auth", registered)
	}
	raw, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// addClient registers a client for the demo API and returns its secret, if it has one.
func (d demo) addClient(t *testing.T, flags ...string) string {
	t.Helper()
	args := append([]string{"client", "add", "--data", d.data, "--json", "--audience", audience, "--scope", "read", "--default-scope", "read"}, flags...)
	out, err := exec.CommandContext(t.Context(), binary, args...).Output()
	if err != nil {
		t.Fatalf("hallmark %v: %v\n%s", args, err, out)
	}
	var client struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &client); err != nil {
		t.Fatal(err)
	}
	return client.Secret
}
