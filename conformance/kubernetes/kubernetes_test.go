package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// TestKubernetes has the API server's authenticator, set up with the file of
// docs/verify/kubernetes.md, verify the tokens of a running server, across a
// rotation and the revocation of the key that signs.
func TestKubernetes(t *testing.T) {
	s := serve(t)
	clients := map[string]string{}
	for _, alg := range []string{"ES256", "RS256"} {
		clients[alg] = s.addClient(t, alg, audience, "--algorithm", alg)
	}
	expired := s.login(t, s.addClient(t, "short", audience, "--access-lifetime", "1s"))
	stranger := s.login(t, s.addClient(t, "stranger", "https://stranger.example"))
	several := s.login(t, s.addClient(t, "several", audience+" https://stranger.example",
		"--default-audience", audience+" https://stranger.example"))
	first := s.present(t, clients)
	time.Sleep(time.Until(expiry(t, expired).Add(time.Second)))

	k := begin(t, s)
	for alg, token := range first {
		k.accepts(t, alg, token)
	}
	k.accepts(t, "several audiences", several)
	good := first["ES256"]
	for what, token := range map[string]string{
		"expired": expired, "another audience": stranger, "garbage": "garbage", "another signature": good[:len(good)-8] + "AAAAAAAA",
		"no signature": good[:strings.LastIndexByte(good, '.')+1],
	} {
		k.refuses(t, what, token)
	}

	s.operate(t, "", "keys", "rotate", "--now") // the keys that sign from now on were published when it began
	second := s.successors(t, clients, first)
	for alg := range clients {
		k.accepts(t, alg+" of the new key", second[alg])
		k.accepts(t, alg+" of the old key", first[alg])
	}

	// It holds a key set for five minutes, whatever it is shown. The keys of the
	// next rotation are published long before that; here it starts anew for them.
	k = begin(t, s)
	for alg := range clients {
		k.accepts(t, alg+" of the new key", second[alg])
		s.operate(t, "", "keys", "revoke", "--yes", "--reason", "leaked", "--", kid(t, second[alg]))
	}
	third := s.successors(t, clients, second)
	for alg := range clients {
		k.accepts(t, alg+" of a revoked key, and nothing was done about it", second[alg])
		k.accepts(t, alg+" of the promoted key", third[alg])
	}
	k = begin(t, s) // what its page says to do
	for alg := range clients {
		k.refuses(t, alg+" of a revoked key", second[alg])
		k.accepts(t, alg+" of the promoted key", third[alg])
		k.accepts(t, alg+" of the retired key", first[alg])
	}
}

// An apiServer is the part of it that looks at bearer tokens.
type apiServer struct{ authenticator.Token }

// begin starts one and waits until it has found the issuer.
func begin(t *testing.T, s *server) apiServer {
	t.Helper()
	config := configuration(t)
	a, err := oidc.New(t.Context(), oidc.Options{
		JWTAuthenticator: config.JWT[0], Client: s.client,
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(), // as with --authentication-config
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(40 * time.Second); a.HealthCheck() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(a.HealthCheck())
		}
	}
	return apiServer{a}
}

// configuration reads authentication.yaml as the API server does.
func configuration(t *testing.T) *apiserver.AuthenticationConfiguration {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
	decoded, err := runtime.Decode(decoder, []byte(read(t, "authentication.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	config, ok := decoded.(*apiserver.AuthenticationConfiguration)
	if !ok || len(config.JWT) != 1 {
		t.Fatalf("authentication.yaml is a %T", decoded)
	}
	return config
}

func (a apiServer) accepts(t *testing.T, what, token string) {
	t.Helper()
	answer, ok, err := a.AuthenticateToken(context.Background(), token)
	if err != nil || !ok {
		t.Errorf("%s: %v, %v", what, ok, err)
		return
	}
	if want := "hallmark:" + claims(t, token).Subject; answer.User.GetName() != want {
		t.Errorf("%s: accepted as %q, want %q", what, answer.User.GetName(), want)
	}
	if groups := answer.User.GetGroups(); !slices.Contains(groups, "hallmark:admins") {
		t.Errorf("%s: the groups are %q", what, groups)
	}
}

func (a apiServer) refuses(t *testing.T, what, token string) {
	t.Helper()
	if _, ok, _ := a.AuthenticateToken(context.Background(), token); ok {
		t.Errorf("%s: accepted", what)
	}
}

// present returns a token for each client.
func (s *server) present(t *testing.T, clients map[string]string) map[string]string {
	t.Helper()
	tokens := map[string]string{}
	for alg, client := range clients {
		tokens[alg] = s.login(t, client)
	}
	return tokens
}

// successors returns tokens under other keys than earlier ones: the running
// server learns of what operators did within a poll.
func (s *server) successors(t *testing.T, clients, earlier map[string]string) map[string]string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		tokens, changed := s.present(t, clients), true
		for alg, token := range tokens {
			changed = changed && kid(t, token) != kid(t, earlier[alg])
		}
		if changed {
			return tokens
		}
	}
	t.Fatal("the server went on signing with the old keys")
	return nil
}

type payload struct {
	Subject string `json:"sub"`
	Expires any    `json:"exp"`
}

func claims(t *testing.T, token string) (c payload) {
	t.Helper()
	part(t, token, 1, &c)
	return c
}

func expiry(t *testing.T, token string) time.Time {
	t.Helper()
	seconds, _ := claims(t, token).Expires.(float64)
	return time.Unix(int64(seconds), 0)
}

func kid(t *testing.T, token string) string {
	t.Helper()
	var header struct {
		KeyID string `json:"kid"`
	}
	part(t, token, 0, &header)
	return header.KeyID
}

func part(t *testing.T, token string, n int, v any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
