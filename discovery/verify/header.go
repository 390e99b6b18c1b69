package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery"
)

const (
	maxToken = 16 << 10 // bytes; servers commonly take headers of 8 KiB
	maxKeyID = 256
)

func checkSize(_ context.Context, a *attempt) error {
	if len(a.raw) > maxToken {
		return fmt.Errorf("the token is over %d bytes", maxToken)
	}
	return nil
}

// checkForm splits the compact serialization; the JSON ones and JWE are no
// access tokens (RFC 7519 §1).
func checkForm(_ context.Context, a *attempt) error {
	rest := a.raw
	for i := range a.parts {
		part, after, more := strings.Cut(rest, ".")
		if more != (i < 2) || part == "" && i != 1 { // RFC 7515 §3: the payload may be empty; checkPayload has its say on that
			return errors.New("the token is not three base64url parts with dots between them")
		}
		var err error
		if a.parts[i], err = discovery.DecodeBase64URL(part); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
		rest = after
	}
	return nil
}

func checkHeader(_ context.Context, a *attempt) (err error) {
	if a.header, err = discovery.DecodeObject(a.parts[0]); err != nil {
		return fmt.Errorf("the header cannot be read: %w", err)
	}
	return nil
}

// checkType keeps ID tokens and other JWTs of the same issuer out (RFC 8725 §3.11).
func checkType(_ context.Context, a *attempt) error {
	typ, ok := a.header["typ"].(string)
	if !ok {
		return errors.New("typ is missing, it must be at+jwt")
	}
	short := strings.ToLower(typ)
	if short != "at+jwt" && short != "application/at+jwt" { // RFC 7515 §4.1.9: a media type
		return fmt.Errorf("typ is %.40q, it must be at+jwt", typ)
	}
	return nil
}

// checkAlgorithm refuses algorithms by which verifiers could sign too, or
// anybody (RFC 9068 §4: none). That the algorithm is the key's is for checkKey.
func checkAlgorithm(_ context.Context, a *attempt) error {
	var ok bool
	if a.alg, ok = a.header["alg"].(string); !ok {
		return errors.New("alg is missing")
	}
	if _, ok = algorithms[a.alg]; !ok {
		return fmt.Errorf("alg %.40q is not an allowed signature algorithm", a.alg)
	}
	return nil
}

// checkExtensions refuses tokens that are to be processed in ways that we do
// not. Other header parameters are ignored: above all jwk, jku, x5c and x5u, by
// which a token would bring its own key (RFC 8725 §3.10).
func checkExtensions(_ context.Context, a *attempt) error {
	for _, parameter := range []string{"crit", "b64", "zip"} { // RFC 7515 §4.1.11, RFC 7797 §3, RFC 7516 §4.1.3
		if _, there := a.header[parameter]; there {
			return fmt.Errorf("the header has %s, which no access token needs", parameter)
		}
	}
	if cty, there := a.header["cty"]; there {
		text, ok := cty.(string)
		if text = strings.ToLower(text); !ok || text == "jwt" || text == "application/jwt" { // RFC 7519 §5.2
			return errors.New("cty says that there is another token inside")
		}
	}
	return nil
}

// checkKeyID asks for a kid always: without it the key would have to be guessed.
func checkKeyID(_ context.Context, a *attempt) error {
	var ok bool
	if a.kid, ok = a.header["kid"].(string); !ok || a.kid == "" || len(a.kid) > maxKeyID {
		return errors.New("kid is missing, or not a short string")
	}
	return nil
}
