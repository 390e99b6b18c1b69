package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// spoilClaims does to an access token's claims what a mutation says.
func (is *issuer) spoilClaims(s *session, claims members) {
	now := time.Now().Unix()
	if s.client == "second" { // whose API is another one
		claims["aud"] = "https://other.example"
	}
	for _, m := range []struct {
		mutation, claim string
		value           any
	}{
		{"aud-one", "aud", "https://api.example"}, {"iss-other", "iss", "https://other.example"}, {"iss-final-slash", "iss", is.url + "/"},
		{"exp-ms", "exp", (now + 600) * 1000}, {"auth-time-text", "auth_time", "now"}, {"auth-time-ahead", "auth_time", now + 100},
		{"auth-time-moves", "auth_time", s.began - int64(is.requests)}, {"no-auth-time", "auth_time", nil},
		{"acr-number", "acr", 1}, {"amr-string", "amr", "pwd"}, {"acr-amr", "amr", []string{"pwd"}}, {"acr-amr", "acr", "1"},
		{"roles-string", "roles", "staff"}, {"roles-number", "roles", []int{1}}, {"no-roles", "roles", nil},
		{"roles-scim", "roles", []any{members{"value": "staff", "primary": true}}},
		{"scope-array", "scope", []string{"read", "write"}}, {"scope-more", "scope", "read write admin"}, {"scope-claim-missing", "scope", nil},
		{"claim-mail", "name", "alice@example.com"}, {"claim-phone", "phone_number", "+1 555 0100"},
		{"claim-hash", "x", members{"y": []string{"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"}}},
		{"claim-password", "x", []string{alicePassword}}, {"claim-fat", "x", strings.Repeat("x", 4<<10)},
		{"claim-case", "SUB", "admin"}, {"jti-second", "jti", fmt.Sprint("this-one-is-of-the-second-", now)},
	} {
		if is.mutated(m.mutation) {
			changed(claims, members{m.claim: m.value})
		}
	}
	if s.bound != "" && !is.mutated("dpop-bound-no-cnf") {
		claims["cnf"] = members{"jkt": s.bound}
		switch {
		case is.mutated("dpop-bound-other"):
			claims["cnf"] = members{"jkt": rand.Text()}
		case is.mutated("dpop-bound-two"):
			claims["cnf"] = members{"jkt": s.bound, "x5t#S256": rand.Text()}
		}
	}
}

// compact writes and signs a token; go-jose would not write some of these.
func (is *issuer) compact(key any, header map[jose.HeaderKey]any, claims members) string {
	head := members{"alg": "ES256"}
	if curve := key.(*ecdsa.PrivateKey).Curve; curve != elliptic.P256() {
		head["alg"] = is.key.Algorithm
	}
	for name, value := range header {
		head[string(name)] = value
	}
	for mutation, more := range map[string]members{
		"alg-none": {"alg": "none"}, "alg-hs": {"alg": "HS256"},
		"head-jwk": {"jwk": jwkMembers(is.stray.Public())}, "head-jku": {"jku": is.url + "/jwks"}, "head-crit": {"crit": []string{"exp"}, "exp": 1},
	} {
		if is.mutated(mutation) {
			changed(head, more)
		}
	}
	first, _ := json.Marshal(head)
	second, _ := json.Marshal(claims)
	text := base64.RawURLEncoding.EncodeToString(is.misspelt("head", first)) + "." + base64.RawURLEncoding.EncodeToString(is.misspelt("claims", second))
	return is.respelt(text + "." + base64.RawURLEncoding.EncodeToString(is.signature(key.(*ecdsa.PrivateKey), text)))
}

func (is *issuer) signature(key *ecdsa.PrivateKey, text string) []byte {
	if key.Curve != elliptic.P256() {
		return longer(key, text)
	}
	sum := sha256.Sum256([]byte(text))
	switch {
	case is.mutated("alg-none"):
		return nil
	case is.mutated("sig-der"):
		der, _ := ecdsa.SignASN1(rand.Reader, key, sum[:])
		return der
	case is.mutated("sig-zero"):
		return make([]byte, 64)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	if is.mutated("sig-big") {
		s.Add(s, elliptic.P256().Params().N)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 33))[1:]...)
}

// respelt changes how a token is written.
func (is *issuer) respelt(compact string) string {
	switch {
	case is.mutated("token-padded"):
		return compact + "="
	case is.mutated("token-four-parts"):
		return compact + ".e30"
	case is.mutated("token-jwe"):
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + ".." + compact
	case is.mutated("token-colon"):
		return strings.Replace(compact, ".", ":", 1)
	}
	return compact
}

// begin is grant, with the client's own grant too, and with DPoP.
func (is *issuer) begin(w http.ResponseWriter, r *http.Request, clientID string, form url.Values) (*session, []string) {
	s := is.clientCredentials(clientID, form)
	scope := []string{"read"}
	if s == nil {
		s, scope = is.grant(w, clientID, form)
	}
	if s.began == 0 {
		s.began, s.born, s.used = time.Now().Unix(), time.Now(), time.Now()
	}
	s.bound = is.proven(w, r)
	return s, scope
}

// addTo adds to a token answer what belongs to a bound token, and an ID token
// where a mutation says so.
func (is *issuer) addTo(body members, s *session) {
	if s.bound != "" {
		body["token_type"] = "DPoP"
	}
	claims := members{"iss": is.url, "sub": s.user, "aud": s.client, "exp": time.Now().Unix() + 600, "iat": time.Now().Unix()}
	header := map[jose.HeaderKey]any{"typ": "JWT", "kid": is.key.KeyID}
	switch {
	case is.mutated("id-token"):
	case is.mutated("id-token-typ"):
		header["typ"] = "at+jwt"
	case is.mutated("id-token-aud"):
		claims["aud"] = "https://api.example"
	case is.mutated("id-token-same"):
		body["id_token"] = body["access_token"]
		return
	default:
		return
	}
	token := is.compact(is.key.Key, header, claims)
	is.seen = append(is.seen, token)
	body["id_token"] = token
}

// clientCredentials is the grant of RFC 6749 §4.4, with mutations only.
func (is *issuer) clientCredentials(clientID string, form url.Values) *session {
	subject := map[string]string{"cc": clientID, "cc-service": "service-of-" + clientID, "cc-as-user": "alice", "cc-nobody": ""}
	for mutation, sub := range subject {
		if is.mutated(mutation) && form.Get("grant_type") == "client_credentials" {
			return &session{id: rand.Text(), client: clientID, user: sub, scope: []string{"read"}}
		}
	}
	return nil
}

// proven returns the thumbprint of the key that a DPoP proof is of, where a
// mutation switches DPoP on.
func (is *issuer) proven(w http.ResponseWriter, r *http.Request) string {
	proof := r.Header.Get("DPoP")
	offered := slices.ContainsFunc(is.mutations, func(m string) bool { return strings.HasPrefix(m, "dpop-bound") })
	if proof == "" || !offered {
		return ""
	}
	signed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		refuse("invalid_dpop_proof")
	}
	jwk := signed.Signatures[0].Header.JSONWebKey
	payload, err := signed.Verify(jwk)
	if err != nil {
		refuse("invalid_dpop_proof")
	}
	if is.mutated("dpop-bound-nonce") && !strings.Contains(string(payload), `"nonce":"once"`) {
		w.Header().Set("DPoP-Nonce", "once")
		refuse("use_dpop_nonce")
	}
	sum, _ := jwk.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum)
}
