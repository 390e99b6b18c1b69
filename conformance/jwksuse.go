package conformance

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// jwksUseCases are about what a key says it is for.
func jwksUseCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-use-sig", Section: "RFC 8414 §2; RFC 7517 §4.2", Level: Must, Run: useSig,
			Expected: "There is a key for signatures; when there are keys for encryption too, every key says its use.",
			Means:    "A verifier that has to guess tries a signature with a key that is meant for encryption, or finds no key at all.",
		},
		Case{
			ID: "jwks-alg-present", Section: "RFC 8725 §3.1; RFC 7517 §4.4", Level: BCP, Run: eachKey(keyAlgorithm),
			Expected: "Every key says its one algorithm, and that is one for keys of its type and curve.",
			Means:    "Verifiers must guess the algorithm or take it from the token, which is what an attacker writes.",
		},
		Case{
			ID: "jwks-use-vs-key-ops", Section: "RFC 7517 §4.3", Level: Should, Run: eachKey(useAgainstOps),
			Expected: "No key has both use and key_ops, nor an operation twice in key_ops.",
			Means:    "Verifiers look at one of the two or at both, so the key works with some and not with others.",
		},
		Case{
			ID: "jwks-alg-no-none", Section: "RFC 8725 §3.1, §3.2", Level: Should, Run: eachKey(notUnsigned),
			Expected: "No key has the algorithm none or one with a shared secret.",
			Means:    "A verifier that believes it accepts tokens without a signature, or ones that anybody signs with the public key.",
		},
		Case{
			ID: "jwks-has-rs256", Section: "RFC 9068 §2.1", Level: Should, Run: hasRS256,
			Expected: "There is a key for RS256, the one algorithm that all must support.",
			Means:    "Resource servers whose library takes RS256 unless told otherwise, or nothing else ever, cannot use this issuer.",
		},
		Case{
			ID: "jwks-kid-charset", Section: "RFC 8725 §3.10", Level: BCP, Run: eachKey(kidCharset),
			Expected: "A kid has 128 characters at most, all of them A-Z a-z 0-9 - . _ ~.",
			Means:    "A kid gets into file names, queries and log lines of verifiers, and other characters break them there.",
		},
		Case{
			ID: "jwks-thumbprint-kid", Section: "RFC 7638 §3", Level: BCP, Run: thumbprintKid,
			Expected: "Where kids are thumbprints of keys, which none need be, each is that of its own key.",
			Means:    "A verifier that computes the kid, as one that is given keys in other forms does, takes another key for it.",
		},
	)
}

func useSig(ctx context.Context, p *Probe) Verdict {
	var unsaid []int
	signs, encrypts := false, false
	for i, k := range p.keySet(ctx) {
		switch k["use"] {
		case nil:
			unsaid, signs = append(unsaid, i), true
		case "sig":
			signs = true
		case "enc":
			encrypts = true
		}
	}
	switch {
	case !signs:
		return fail("every key has a use, and none the use sig")
	case encrypts && unsaid != nil:
		return fail("there are keys for encryption, and keys %d do not say their use", unsaid)
	case unsaid != nil:
		return Verdict{Pass, fmt.Sprintf("keys %d do not say their use, which they must once there is one for encryption", unsaid)}
	}
	return pass()
}

// signatureUses returns the algorithms that keys of this type and curve sign
// with, nil when the type is not one we know.
func signatureUses(key map[string]any) []string {
	crv, _ := key["crv"].(string)
	switch key["kty"] {
	case "RSA":
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case "EC":
		return map[string][]string{"P-256": {"ES256", "ESP256"}, "P-384": {"ES384", "ESP384"}, "P-521": {"ES512", "ESP512"}, "secp256k1": {"ES256K"}}[crv]
	case "OKP": // RFC 8037 §3.1, RFC 9864 §2.2
		return map[string][]string{"Ed25519": {"EdDSA", "Ed25519"}, "Ed448": {"EdDSA", "Ed448"}}[crv]
	}
	return nil
}

func keyAlgorithm(key map[string]any) string {
	alg, _ := key["alg"].(string)
	fitting := signatureUses(key)
	switch {
	case alg == "":
		return "has no alg"
	case key["use"] != "enc" && fitting != nil && !slices.Contains(fitting, alg):
		return "has the alg " + alg + ", which is not for keys of its type"
	}
	return ""
}

func useAgainstOps(key map[string]any) string {
	ops, there := key["key_ops"]
	if !there {
		return ""
	}
	list, ok := ops.([]any)
	if !ok {
		return "has key_ops that is not an array"
	}
	seen := map[any]bool{}
	for _, op := range list {
		name, isText := op.(string)
		if !isText || seen[name] {
			return "has key_ops with something twice, or that is not a string"
		}
		seen[name] = true
	}
	if key["use"] != nil {
		return "has both use and key_ops"
	}
	return ""
}

func notUnsigned(key map[string]any) string {
	if alg, _ := key["alg"].(string); alg == "none" || strings.HasPrefix(alg, "HS") {
		return "has the alg " + alg
	}
	return ""
}

// hasRS256 cannot see what a server supports and has no key for: there it takes
// the metadata's word.
func hasRS256(ctx context.Context, p *Probe) Verdict {
	usable := func(k map[string]any) bool {
		return k["kty"] == "RSA" && k["use"] != "enc" && (k["alg"] == nil || k["alg"] == "RS256")
	}
	if slices.ContainsFunc(p.keySet(ctx), usable) {
		return pass()
	}
	if slices.Contains(p.list("id_token_signing_alg_values_supported"), "RS256") {
		return Verdict{Warn, "RS256 is listed in id_token_signing_alg_values_supported, and no key is for it"}
	}
	return fail("no key is for RS256")
}

func kidCharset(key map[string]any) string {
	kid, _ := key["kid"].(string)
	odd := func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~", c)
	}
	switch {
	case len(kid) > 128:
		return fmt.Sprintf("has a kid of %d octets", len(kid))
	case strings.ContainsFunc(kid, odd):
		return fmt.Sprintf("has the kid %q", kid)
	}
	return ""
}

// thumbprintKid looks at SHA-256 thumbprints, whatever alg says (RFC 7638 §3.4).
// One of a key of a type that is not known here cannot be computed.
func thumbprintKid(ctx context.Context, p *Probe) Verdict {
	owner, kids := map[string]int{}, map[int]string{}
	for i, k := range p.keySet(ctx) {
		text, _ := json.Marshal(k) // what JSON was read from
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(text) != nil {
			continue
		}
		if sum, err := jwk.Thumbprint(crypto.SHA256); err == nil {
			owner[base64.RawURLEncoding.EncodeToString(sum)] = i
			kids[i] = jwk.KeyID
		}
	}
	named := 0
	for i, kid := range kids {
		of, isThumbprint := owner[kid]
		switch {
		case isThumbprint && of != i:
			return fail("the kid %q of key %d is the thumbprint of key %d", kid, i, of)
		case isThumbprint:
			named++
		}
	}
	if named == 0 {
		return absent("no kid is the thumbprint of a key")
	}
	if named < len(kids) {
		return Verdict{Pass, fmt.Sprintf("%d of %d kids are thumbprints", named, len(kids))}
	}
	return pass()
}
