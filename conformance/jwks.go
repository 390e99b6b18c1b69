package conformance

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func jwksCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-no-private", Section: "RFC 7517 §9.2; RFC 7518 §6.2.2, §6.3.2", Level: Must, Run: noPrivate,
			Expected: "No key has a private or symmetric member.",
			Means:    "Everybody can sign tokens for any user, until the key is withdrawn.",
		},
		Case{
			ID: "jwks-kid-present", Section: "RFC 7517 §4.5; OIDC Core §10.1", Level: Should, Run: kidPresent,
			Expected: "Every key has a kid that is a non-empty string.",
			Means:    "Many verifiers look a key up by kid only, and refuse every token of a key without one.",
		},
		Case{
			ID: "jwks-kid-unique", Section: "RFC 7517 §4.5", Level: Should, Run: kidUnique,
			Expected: "No two keys share a kid.",
			Means:    "A verifier takes one of the two keys and refuses the tokens of the other.",
		},
		Case{
			ID: "jwks-cache-control", Section: "OIDC Core §10.2.1; RFC 9111 §5.2.2.1", Level: Should, Run: jwksCacheControl,
			Expected: "Cache-Control is well-formed and has a max-age from 60 to 3600 seconds.",
			Means:    "Verifiers fetch the keys for each token, which they and the issuer feel, or keep them for so long that they miss a new one.",
		},
		Case{
			ID: "jwks-etag", Section: "RFC 9110 §8.8.3, §15.4.5", Level: BCP, Run: jwksETag,
			Expected: "There is an ETag, and If-None-Match with it answers 304.",
			Means:    "Every fetch of the keys moves the whole set, though it has changed once a month.",
		},
		Case{
			ID: "jwks-verifies-issued", Section: "RFC 9068 §4; RFC 7515 §5.2", Level: Must, Needs: signsIn(), Run: jwksVerifies,
			Expected: "A fresh access token verifies with a key of the set, and with exactly the one that its kid should name.",
			Means:    "No resource server that checks signatures can accept the tokens.",
		},
	)
}

// jwksURI returns the address of the keys; without one the case does not apply.
func (p *Probe) jwksURI() string {
	address := p.doc.text("jwks_uri")
	if u, err := url.Parse(address); address == "" || err != nil || u.Host == "" {
		panic(stop{absent("the metadata has no usable jwks_uri")})
	}
	return address
}

// keySet fetches the keys as they are written.
func (p *Probe) keySet(ctx context.Context) []map[string]any {
	keys := keysOf(p.get(ctx, p.jwksURI(), nil))
	if keys == nil {
		panic(stop{undecided("jwks_uri answers no keys")})
	}
	return keys
}

// keysOf returns the keys in an answer, nil when there are none.
func keysOf(a answer) (keys []map[string]any) {
	list, _ := a.json["keys"].([]any)
	if a.status != http.StatusOK {
		return nil
	}
	for _, v := range list {
		if k, ok := v.(map[string]any); ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func privateMembers() []string {
	return []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}
}

func noPrivate(ctx context.Context, p *Probe) Verdict {
	for i, k := range p.keySet(ctx) {
		for _, member := range privateMembers() {
			if _, ok := k[member]; ok {
				return fail("key %d has the private member %q: withdraw that key now", i, member)
			}
		}
	}
	return pass()
}

func kidPresent(ctx context.Context, p *Probe) Verdict {
	for i, k := range p.keySet(ctx) {
		if kid, _ := k["kid"].(string); kid == "" {
			return fail("key %d has no kid", i)
		}
	}
	return pass()
}

func kidUnique(ctx context.Context, p *Probe) Verdict {
	seen := map[string]bool{}
	for _, k := range p.keySet(ctx) {
		kid, _ := k["kid"].(string)
		if kid != "" && seen[kid] {
			return fail("two keys have the kid %q", kid)
		}
		seen[kid] = true
	}
	return pass()
}

func jwksCacheControl(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.jwksURI(), nil)
	d := a.directives()
	seconds, err := strconv.Atoi(d["max-age"])
	age := time.Duration(seconds) * time.Second
	switch {
	case a.noStore():
		return fail("no-store makes every verifier fetch the keys each time")
	case a.header.Get("Cache-Control") == "":
		return fail("there is no Cache-Control")
	case slices.ContainsFunc(slices.Collect(maps.Keys(d)), func(name string) bool { return strings.ContainsAny(name, ": ") }):
		return fail("Cache-Control is malformed: %q", a.header.Get("Cache-Control")) // and who reads it may drop any part of it
	case err != nil || age < time.Minute || age > time.Hour:
		return fail("max-age is %q", d["max-age"])
	}
	return pass()
}

func jwksETag(ctx context.Context, p *Probe) Verdict {
	tag := p.get(ctx, p.jwksURI(), nil).header.Get("ETag")
	if tag == "" {
		return fail("no ETag")
	}
	if a := p.get(ctx, p.jwksURI(), http.Header{"If-None-Match": {tag}}); a.status != 304 {
		return fail("If-None-Match with the ETag answers %d", a.status)
	}
	return pass()
}

func jwksVerifies(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	if alg, _ := token.header["alg"].(string); strings.HasPrefix(alg, "HS") {
		return absent("the token is signed with a secret, %s: the keys are not for it", alg)
	}
	kid, named := token.kid(), p.keySet(ctx)
	if kid != "" {
		named = slices.DeleteFunc(named, func(k map[string]any) bool { return k["kid"] != kid })
	}
	err := errNoKey
	for _, k := range named {
		if err = verify(token.compact, k); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return fail("it does not verify with the key %q: %v", kid, err)
	case kid == "": // RFC 7515 §4.1.4: OPTIONAL
		return Verdict{Warn, "the token names no key: verifiers must try them all"}
	case len(named) > 1: // RFC 7517 §4.5: a SHOULD
		return Verdict{Warn, "several keys have the token's kid " + kid}
	}
	return pass()
}

// signatureAlgorithms are the asymmetric ones (RFC 8725 §3.1).
func signatureAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
	}
}

func verify(compact string, key map[string]any) error {
	text, err := json.Marshal(key)
	if err != nil {
		return err
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return err
	}
	signed, err := jose.ParseSignedCompact(compact, signatureAlgorithms())
	if err != nil {
		return err
	}
	_, err = signed.Verify(jwk)
	return err
}
