package vectors

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// A verifier verifies a token's signature, issuer, audience and lifetime, and
// returns its subject.
type verifier func(token string) (subject string, err error)

// A library sets a verifier up for the keys of the issuer. All have the keys at
// hand; none fetches anything while it is measured.
type library struct {
	name  string
	setUp func(t testing.TB, jwks []byte) verifier
}

var (
	ours  = library{"hallmark", hallmark}
	peers = []library{{"go-oidc", goOIDC}, {"jwx", jwx}, {"golang-jwt+keyfunc", golangJWT}, {"go-jose/jwt", goJose}}
)

func hallmark(t testing.TB, jwks []byte) verifier {
	v, err := verify.New(context.Background(), issuer, audience, verify.WithKeySet(jwks))
	must(t, err)
	return func(token string) (string, error) {
		claims, err := v.Verify(context.Background(), token)
		if err != nil {
			return "", err
		}
		return claims.Subject, nil
	}
}

// goOIDC keeps the keys that it fetched for the first token.
func goOIDC(t testing.TB, jwks []byte) verifier {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(jwks)
	}))
	t.Cleanup(server.Close)
	keys := oidc.NewRemoteKeySet(context.Background(), server.URL)
	v := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256", "RS256"}})
	return func(token string) (string, error) {
		verified, err := v.Verify(context.Background(), token)
		if err != nil {
			return "", err
		}
		return verified.Subject, nil
	}
}

func jwx(t testing.TB, jwks []byte) verifier {
	set, err := jwk.Parse(jwks)
	must(t, err)
	return func(token string) (string, error) {
		verified, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
		if err != nil {
			return "", err
		}
		subject, _ := verified.Subject()
		return subject, nil
	}
}

func golangJWT(t testing.TB, jwks []byte) verifier {
	keys, err := keyfunc.NewJWKSetJSON(jwks)
	must(t, err)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256", "RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return func(token string) (string, error) {
		verified, err := parser.ParseWithClaims(token, new(jwt.RegisteredClaims), keys.Keyfunc)
		if err != nil {
			return "", err
		}
		return verified.Claims.GetSubject()
	}
}

func goJose(t testing.TB, jwks []byte) verifier {
	var keys jose.JSONWebKeySet
	must(t, json.Unmarshal(jwks, &keys))
	return func(token string) (string, error) {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
		if err != nil {
			return "", err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(keys, &claims); err != nil {
			return "", err
		}
		return claims.Subject, claims.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
