package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/mux"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// gorilla/mux: Require is middleware for a router, or for some of its routes.
func Example_gorilla() {
	// A program has verify.New(ctx, issuer, audience) here; an example has no issuer to ask.
	v, err := verify.New(context.Background(), "https://auth.example.com", "https://api.example.com",
		verify.WithKeySet(publicKeys()), verify.WithResource("https://api.example.com", "orders", "admin"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	r := mux.NewRouter()
	r.Handle(v.ResourceMetadata())
	api := r.PathPrefix("/orders").Subrouter()
	api.Use(v.Require("orders"))
	api.HandleFunc("/{id}", func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verify.FromContext(r.Context())
		fmt.Fprintf(w, "order %s of %s in %v", mux.Vars(r)["id"], claims.Subject, claims.Extra["shop"])
	})
	r.Handle("/admin", v.Require("admin")(http.NotFoundHandler()))

	show(r, "/orders/7", token("orders"))
	show(r, "/orders/7", "")
	show(r, "/admin", token("orders"))
	// Output:
	// 200 order 7 of user-1 in Bergen
	// 401 Bearer realm="https://api.example.com", scope="orders", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
	// 403 Bearer realm="https://api.example.com", error="insufficient_scope", error_description="The access token does not have the scope that this needs", scope="admin", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
}

// Who has no use for Require finds the answer in the error.
func ExampleError() {
	v, err := verify.New(context.Background(), "https://auth.example.com", "https://api.example.com", verify.WithKeySet(publicKeys()))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(context.Background(), token("orders")+"x")
	var refused *verify.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code, refused.Check)
	}
	// Output: 401 invalid_token form
}

// Issuers that are not Hallmark may keep less of RFC 9068. What is missing is
// allowed by its name, for that issuer alone.
func ExampleWithIssuer() {
	v, err := verify.New(context.Background(), "https://auth.example.com", "https://api.example.com", verify.WithKeySet(publicKeys()),
		verify.WithIssuer("https://login.example.org/realms/shop", verify.WithKeySet(publicKeys()),
			verify.AllowTyp("JWT"), verify.AllowMissing("client_id")))
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := v.Verify(context.Background(), token("orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Issuer, claims.Scope)
	// Output: https://auth.example.com [orders]
}

// show makes a request and prints what is worth knowing of the answer.
func show(h http.Handler, path, token string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		fmt.Println(w.Code, w.Body)
		return
	}
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
}

func signingKey() jose.JSONWebKey {
	return jose.JSONWebKey{Key: ed25519.NewKeyFromSeed(make([]byte, 32)), KeyID: "k1", Algorithm: "EdDSA"}
}

func publicKeys() []byte {
	key := signingKey()
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		panic(err)
	}
	return jwks
}

// token is what the issuer would give to a client.
func token(scopes ...string) string {
	now := time.Now()
	payload, err := json.Marshal(verify.Claims{
		Issuer: "https://auth.example.com", Subject: "user-1", Audience: []string{"https://api.example.com"}, ClientID: "web",
		ID: "token-1", IssuedAt: now, ExpiresAt: now.Add(time.Minute), Scope: scopes, Extra: map[string]any{"shop": "Bergen"},
	})
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: signingKey()}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}
