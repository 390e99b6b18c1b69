package conformance

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
)

func jwksFormCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-status-ct", Section: "RFC 7517 §8.5.1; RFC 9110 §8.3", Level: Should, Run: jwksStatusType,
			Expected: "jwks_uri answers 200 with application/jwk-set+json or application/json.",
			Means:    "Libraries that look at status and type before they read find no keys, and refuse every token.",
		},
		Case{
			ID: "jwks-keys-array", Section: "RFC 7517 §5, §5.1", Level: Must, Run: keysArray,
			Expected: "The key set is an object with an array keys that holds objects; without any it warns.",
			Means:    "Verifiers find no keys, and refuse every token.",
		},
		Case{
			ID: "jwks-json-strict", Section: "RFC 7517 §4, §5; RFC 8259 §4", Level: Must, Run: jwksStrict,
			Expected: "The key set is one JSON object in UTF-8, with nothing after it and no member twice, in its keys neither.",
			Means:    "Parsers read the same set differently, so that verifiers hold different keys, or none.",
		},
		Case{
			ID: "jwks-no-oct", Section: "RFC 7517 §9.2; RFC 7518 §6.4", Level: Must, Run: eachKey(notSymmetric),
			Expected: "No key is a symmetric one.",
			Means:    "The secret that signs is public: everybody can sign tokens for any user.",
		},
		Case{
			ID: "jwks-kty", Section: "RFC 7517 §4.1", Level: Must, Run: keyTypes,
			Expected: "Every key has a kty; types without a registration are reported.",
			Means:    "Verifiers skip the key, or refuse the whole set.",
		},
		Case{
			ID: "jwks-required-members", Section: "RFC 7518 §6.2.1, §6.3.1; RFC 8037 §2", Level: Must, Run: eachKey(requiredMembers),
			Expected: "RSA keys have n and e, EC keys crv, x and y, OKP keys crv and x.",
			Means:    "Verifiers cannot build the key, and refuse every token under it.",
		},
		Case{
			ID: "jwks-base64url", Section: "RFC 7515 §2; RFC 7518 §2, §6.3.1.1", Level: Must, Run: eachKey(base64urlMembers),
			Expected: "Binary members are base64url without padding and stray bits; n and e do not begin with a zero octet.",
			Means:    "Strict verifiers refuse the key, and lenient ones may read another number than was meant.",
		},
	)
}

func jwksStatusType(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.jwksURI(), nil)
	switch {
	case a.status != 200:
		return fail("the status is %d", a.status)
	case !a.isJSON("application/jwk-set+json"):
		return fail("Content-Type is %q", a.header.Get("Content-Type"))
	}
	return pass()
}

func keysArray(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.jwksURI(), nil)
	keys, ok := a.json["keys"].([]any)
	switch {
	case a.json == nil:
		return fail("it is not a JSON object")
	case !ok:
		return fail("there is no array keys")
	case len(keys) == 0: // RFC 7517 §5.1 has no least number
		return Verdict{Warn, "keys is empty: nothing can be verified with it"}
	}
	for i, k := range keys {
		if _, ok := k.(map[string]any); !ok {
			return fail("key %d is not an object", i)
		}
	}
	return pass()
}

func jwksStrict(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.jwksURI(), nil)
	if a.status != 200 {
		return undecided("jwks_uri answers %d", a.status)
	}
	if err := strictJSON(a.body); err != nil {
		return fail("%v", err)
	}
	return pass()
}

// eachKey fails with what wrong says of a key, if it says anything.
func eachKey(wrong func(key map[string]any) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		for i, k := range p.keySet(ctx) {
			if why := wrong(k); why != "" {
				return fail("key %d %s", i, why)
			}
		}
		return pass()
	}
}

func notSymmetric(key map[string]any) string {
	if key["kty"] == "oct" {
		return "is symmetric: everybody can sign with it; withdraw it now"
	}
	return ""
}

func keyTypes(ctx context.Context, p *Probe) Verdict {
	var unknown []string
	for i, k := range p.keySet(ctx) {
		kty, _ := k["kty"].(string)
		if kty == "" {
			return fail("key %d has no kty", i)
		}
		if !slices.Contains([]string{"RSA", "EC", "OKP", "AKP", "oct"}, kty) {
			unknown = append(unknown, kty)
		}
	}
	if len(unknown) > 0 {
		return Verdict{Pass, "unknown kty, which verifiers skip: " + strings.Join(unknown, ", ")}
	}
	return pass()
}

func requiredMembers(key map[string]any) string {
	kty, _ := key["kty"].(string)
	for _, name := range map[string][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[kty] {
		if value, _ := key[name].(string); value == "" {
			return "is of type " + kty + " and has no " + name
		}
	}
	return ""
}

func base64urlMembers(key map[string]any) string {
	for _, name := range []string{"n", "e", "x", "y", "x5t", "x5t#S256"} {
		value, ok := key[name].(string)
		if !ok {
			continue // another case asks whether it must be there
		}
		octets, err := base64.RawURLEncoding.Strict().DecodeString(value)
		switch {
		case err != nil || strings.ContainsAny(value, "\r\n"): // which the decoder skips
			return "has a member " + name + " that is not plain base64url"
		case (name == "n" || name == "e") && len(octets) > 0 && octets[0] == 0: // RFC 7518 §6.3.1.1
			return "has a member " + name + " that begins with a zero octet"
		}
	}
	return ""
}
