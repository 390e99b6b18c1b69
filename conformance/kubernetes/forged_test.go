package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// lets are the bad tokens that it lets through, as docs/verify/kubernetes.md
// says: no Hallmark issues them.
var lets = []string{"`exp` as a text", "another `typ`"}

// TestForged shows it tokens of an issuer that signs whatever it is asked to.
func TestForged(t *testing.T) {
	f := forge(t)
	k := begin(t, &server{client: &http.Client{Transport: f}})
	k.accepts(t, "good", f.sign(t, nil, nil)) // or the rest would prove nothing
	for what, odd := range map[string]struct{ header, claims map[string]any }{
		"no `exp`":        {claims: map[string]any{"exp": nil}},
		"no `aud`":        {claims: map[string]any{"aud": nil}},
		"no `sub`":        {claims: map[string]any{"sub": nil}},
		"no `client_id`":  {claims: map[string]any{"client_id": nil}},
		"no `jti`":        {claims: map[string]any{"jti": nil}},
		"`nbf` to come":   {claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}},
		"`exp` as a text": {claims: map[string]any{"exp": "32503680000"}},
		"another `iss`":   {claims: map[string]any{"iss": "https://other.example.com"}},
		"another `typ`":   {header: map[string]any{"typ": "JWT"}},
		"unknown `crit`":  {header: map[string]any{"crit": []string{"urn:example:unknown"}, "urn:example:unknown": true}},
		"alg none":        {header: map[string]any{"alg": "none"}},
	} {
		token := f.sign(t, odd.header, odd.claims)
		if slices.Contains(lets, what) {
			k.accepts(t, what, token)
		} else {
			k.refuses(t, what, token)
		}
	}
	k.refuses(t, "HMAC with the public key", f.hmac(t))
	stranger := forge(t)
	k.refuses(t, "another key under the same kid", stranger.sign(t, nil, nil))
}

// TestPage: docs/verify shows the file, whole, and says what was found.
func TestPage(t *testing.T) {
	page := read(t, "../../docs/verify/kubernetes.md")
	for _, text := range []string{
		"<!-- file: conformance/kubernetes/authentication.yaml -->\n\n```yaml\n" + read(t, "authentication.yaml") + "```\n",
		"- Takes ES256 and RS256.\n",
		"- Lets through: " + strings.Join(lets, ", ") + ".\n",
		"- After `hallmark keys revoke`: restart",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("kubernetes.md does not have\n%s", text)
		}
	}
	row := "| [Kubernetes API server](kubernetes.md) | ES256, RS256 | " + strings.Join(lets, ", ") + " |"
	if !strings.Contains(read(t, "../../docs/verify/README.md"), row) {
		t.Errorf("README.md has no row\n%s", row)
	}
}

// A forger is an issuer with no server: the transport of a client.
type forger struct{ key *ecdsa.PrivateKey }

func forge(t *testing.T) forger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return forger{key}
}

// RoundTrip answers what is looked for at an issuer.
func (f forger) RoundTrip(r *http.Request) (*http.Response, error) {
	point, err := f.key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	document := map[string]any{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json"}
	if strings.HasSuffix(r.URL.Path, "/jwks.json") {
		document = map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": encode(point[1:33]), "y": encode(point[33:]),
		}}}
	}
	body, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, nil
}

// sign returns a token that is as good as its changes let it be: null removes
// a member.
func (f forger) sign(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	now := time.Now()
	input := member(t, map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": "1"}, header) + "." + member(t, map[string]any{
		"iss": issuer, "aud": audience, "sub": "alice", "client_id": "web", "jti": "1", "groups": []string{"admins"},
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}, claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, f.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encode(signature)
}

// hmac returns a token that is signed with what everybody knows.
func (f forger) hmac(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	token := f.sign(t, map[string]any{"alg": "HS256"}, nil)
	input := token[:strings.LastIndexByte(token, '.')]
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

func member(t *testing.T, good, odd map[string]any) string {
	t.Helper()
	maps.Copy(good, odd)
	maps.DeleteFunc(good, func(_ string, value any) bool { return value == nil })
	raw, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	return encode(raw)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
