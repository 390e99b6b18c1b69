package conformance

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"strings"
)

// atFormCases are about how an access token is written, whatever it says.
func atFormCases() []Case {
	return group("at",
		Case{
			ID: "at-three-parts", Section: "RFC 9068 §2; RFC 7515 §7.1", Level: Must, Needs: signsIn(), Run: atThreeParts,
			Expected: "A token that begins like a JWS is three non-empty parts of base64url, without padding and stray bits.",
			Means:    "Strict verifiers refuse the token; lenient ones take several spellings of one token for several tokens.",
		},
		Case{
			ID: "at-charset", Section: "RFC 6750 §2.1; RFC 6749 App. A.12", Level: Must, Needs: signsIn(), Run: atCharset,
			Expected: "The access token has only characters that may stand after Bearer in a header.",
			Means:    "Clients cannot send the token: libraries and proxies cut or refuse the header.",
		},
		Case{
			ID: "at-json-unique", Section: "RFC 7519 §4; RFC 7515 §4", Level: Must, Needs: signsIn(), Run: atUnique,
			Expected: "Header and claims are one JSON object each, with no name twice, nor twice but for upper and lower case.",
			Means:    "Two verifiers read two different users or audiences out of one token.",
		},
		Case{
			ID: "at-ecdsa-raw", Section: "RFC 7518 §3.4", Level: Must, Needs: signsIn(), Run: atRawSignature,
			Expected: "An ECDSA signature is r and s at full length, not DER, each from 1 to n-1.",
			Means:    "Verifiers refuse every token, for what OpenSSL writes by itself is not a JWS.",
		},
		Case{
			ID: "at-size", Section: "measured", Level: BCP, Needs: signsIn(), Run: atSize,
			Expected: "The access token has less than 4 KiB.",
			Means:    "Servers and proxies that allow 8 KiB of headers begin to refuse requests, of users with many rights first.",
		},
	)
}

func atThreeParts(ctx context.Context, p *Probe) Verdict {
	token := p.signIn(ctx, p.target.Client).access
	parts := strings.Split(token, ".")
	begin := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(parts[0])
	text, _ := base64.RawURLEncoding.DecodeString(begin)
	header := object(text)
	if len(parts) == 1 || header["alg"] == nil || header["enc"] != nil { // opaque, or a JWE
		return absent("the access token is not a signed JWT")
	}
	if len(parts) != 3 {
		return fail("there are %d parts", len(parts))
	}
	for i, part := range parts {
		_, err := base64.RawURLEncoding.Strict().DecodeString(part)
		switch {
		case part == "":
			return fail("part %d is empty", i+1)
		case err != nil || strings.ContainsAny(part, "\r\n"): // which the decoder skips
			return fail("part %d is not plain base64url", i+1)
		}
	}
	return pass()
}

func atCharset(ctx context.Context, p *Probe) Verdict {
	token := strings.TrimRight(p.signIn(ctx, p.target.Client).access, "=")
	odd := func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/", c)
	}
	if i := strings.IndexFunc(token, odd); i >= 0 || token == "" {
		return fail("there is a character, number %d, that no bearer token may have", i+1)
	}
	return pass()
}

func atUnique(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	parts := strings.Split(token.compact, ".")
	for i, what := range []string{"header", "claims"} {
		text, _ := base64.RawURLEncoding.DecodeString(parts[i]) // has been parsed
		if err := strictJSON(text); err != nil {
			return fail("%s: %v", what, err)
		}
	}
	for _, members := range []map[string]any{token.header, token.claims} {
		seen := map[string]bool{}
		for _, name := range sortedNames(members) {
			if seen[strings.ToLower(name)] {
				return Verdict{Warn, "there is another member " + name + " but for case: Go's parser takes the one for the other"}
			}
			seen[strings.ToLower(name)] = true
		}
	}
	return pass()
}

func atRawSignature(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	alg, _ := token.header["alg"].(string)
	curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
	if curve == nil {
		return absent("the token is signed with %s", alg)
	}
	signature, err := base64.RawURLEncoding.DecodeString(token.compact[strings.LastIndex(token.compact, ".")+1:])
	size := (curve.Params().BitSize + 7) / 8
	if err != nil || len(signature) != 2*size {
		return fail("the signature has %d octets, not %d", len(signature), 2*size)
	}
	for i, name := range []string{"r", "s"} {
		n := new(big.Int).SetBytes(signature[i*size : (i+1)*size])
		if n.Sign() == 0 || n.Cmp(curve.Params().N) >= 0 {
			return fail("%s is not from 1 to n-1", name)
		}
	}
	return pass()
}

func atSize(ctx context.Context, p *Probe) Verdict {
	if n := len(p.signIn(ctx, p.target.Client).access); n >= 4<<10 {
		return fail("it has %d octets", n)
	}
	return pass()
}
