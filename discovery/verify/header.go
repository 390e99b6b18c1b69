package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/hallmark-auth/hallmark/discovery"
)

const (
	maxToken = 16 << 10 // bytes; servers commonly take headers of 8 KiB
	maxKeyID = 256
)

// A header is what of a token's header is of use after its checks.
type header struct {
	alg string
	kid string
	typ any // what stands there; nil: nothing
}

func checkSize(_ context.Context, a *attempt) error {
	if len(a.raw) > maxToken {
		return fmt.Errorf("the token is over %d bytes", maxToken)
	}
	return nil
}

// checkForm splits the compact serialization; the JSON ones and JWE are no
// access tokens (RFC 7519 §1).
func checkForm(_ context.Context, a *attempt) error {
	first := strings.IndexByte(a.raw, '.')
	last := strings.LastIndexByte(a.raw, '.')
	// RFC 7515 §3: the payload may be empty; checkPayload has its say on that.
	if first <= 0 || last == first || last == len(a.raw)-1 || strings.IndexByte(a.raw[first+1:last], '.') >= 0 {
		return errors.New("the token is not three base64url parts with dots between them")
	}
	a.signed, a.headerText = a.raw[:last], a.raw[:first]
	if !a.thorough {
		a.header, a.settled = a.headers.find(a.headerText)
	}
	for i, part := range []string{a.headerText, a.raw[first+1 : last], a.raw[last+1:]} {
		if i == 0 && a.settled {
			continue
		}
		var err error
		if a.parts[i], err = discovery.DecodeBase64URL(part); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
	}
	return nil
}

func checkHeader(_ context.Context, a *attempt) (err error) {
	if a.members, err = discovery.DecodeMembers(string(a.parts[0])); err != nil {
		return fmt.Errorf("the header cannot be read: %w", err)
	}
	a.header.typ = a.members.Get("typ")
	return nil
}

// checkAlgorithm refuses algorithms by which verifiers could sign too, or
// anybody (RFC 9068 §4: none). That the algorithm is the key's is for checkKey.
func checkAlgorithm(_ context.Context, a *attempt) error {
	var ok bool
	if a.header.alg, ok = a.members.Get("alg").(string); !ok {
		return errors.New("alg is missing")
	}
	if _, ok = algorithms[a.header.alg]; !ok {
		return fmt.Errorf("alg %.40q is not an allowed signature algorithm", a.header.alg)
	}
	return nil
}

// checkExtensions refuses tokens that are to be processed in ways that we do
// not. Other header parameters are ignored: above all jwk, jku, x5c and x5u, by
// which a token would bring its own key (RFC 8725 §3.10).
func checkExtensions(_ context.Context, a *attempt) error {
	for _, parameter := range []string{"crit", "b64", "zip"} { // RFC 7515 §4.1.11, RFC 7797 §3, RFC 7516 §4.1.3
		if a.members.Has(parameter) {
			return fmt.Errorf("the header has %s, which no access token needs", parameter)
		}
	}
	if a.members.Has("cty") {
		cty, ok := a.members.Get("cty").(string)
		if !ok || mediaType(cty) == "jwt" { // RFC 7519 §5.2
			return errors.New("cty says that there is another token inside")
		}
	}
	return nil
}

// checkKeyID asks for a kid always: without it the key would have to be guessed.
func checkKeyID(_ context.Context, a *attempt) error {
	kid, ok := a.members.Get("kid").(string)
	if !ok || kid == "" || len(kid) > maxKeyID {
		return errors.New("kid is missing, or not a short string")
	}
	a.header.kid = kid
	return nil
}

// checkType keeps ID tokens and other JWTs of the same issuer out (RFC 8725 §3.11).
func checkType(_ context.Context, a *attempt) error {
	if a.header.typ == nil && a.authority.mayLack("typ") {
		return nil
	}
	typ, ok := a.header.typ.(string)
	if !ok {
		return errors.New("typ is missing, it must be at+jwt")
	}
	if typ != "at+jwt" && !a.authority.takes(mediaType(typ)) {
		return fmt.Errorf("typ is %.40q, it must be at+jwt", typ)
	}
	return nil
}

// headers remembers the headers of good tokens, which an issuer repeats from
// token to token: what was found about one holds as long as its text is the
// same. Only a token that passed every check adds one.
type headers struct {
	known atomic.Pointer[map[string]header]
}

// manyHeaders is more than the keys of some issuers come to.
const manyHeaders = 32

func (h *headers) find(text string) (header, bool) {
	known := h.known.Load()
	if known == nil {
		return header{}, false
	}
	found, ok := (*known)[text]
	return found, ok
}

// remember adds a header; when there are many, it begins anew. Of two at a time
// one may be lost, which costs no more than reading it again.
func (h *headers) remember(text string, found header) {
	next := make(map[string]header, manyHeaders)
	if known := h.known.Load(); known != nil && len(*known) < manyHeaders {
		for text, found := range *known {
			next[text] = found
		}
	}
	next[strings.Clone(text)] = found // a token is not kept alive for it
	h.known.Store(&next)
}
