package conformance

import (
	"context"
	"net/http"
	"reflect"
)

// jwksHTTPCases are about how the key set is served: everybody must get it,
// and all the same one.
func jwksHTTPCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-cors", Section: "RFC 9700 §2.6", Level: BCP, Run: jwksCORS,
			Expected: "Pages of any origin may read the keys, without credentials, after a preflight too.",
			Means:    "Code in a browser cannot verify a token: the keys are public, and it may not read them.",
		},
		Case{
			ID: "jwks-stable", Section: "OIDC Core §10.1.1", Level: BCP, Run: jwksStable,
			Expected: "Twenty fetches, over old connections and new ones, get the same keys in the same order, but for one change.",
			Means:    "Replicas do not agree, so a token is good or bad by which of them the verifier asked.",
		},
		Case{
			ID: "jwks-method", Section: "RFC 9110 §15.5.6", Level: Should, Run: jwksMethod,
			Expected: "POST, PUT and DELETE are 405, and the keys stay.",
			Means:    "Whatever takes a write at the address of the keys may one day let it through, and the keys are what everything rests on.",
		},
		Case{
			ID: "jwks-no-auth", Section: "OIDC Discovery §3", Level: BCP, Run: jwksNoAuth,
			Expected: "The keys are for everybody, also who sends credentials that are no good here.",
			Means:    "A verifier that sends a header along, or none, gets no keys and refuses every token.",
		},
		Case{
			ID: "jwks-size", Section: "measured", Level: BCP, Run: jwksSize,
			Expected: "The key set has 16 keys at most, and less than 64 KiB.",
			Means:    "Verifiers that keep a few keys drop the ones in use, or do not read a set that long: tokens fail now and then, or all of them.",
		},
	)
}

func jwksCORS(ctx context.Context, p *Probe) Verdict { return metaCORS(ctx, p, p.jwksURI()) }

// jwksStable allows one change: a rotation may fall into its time.
func jwksStable(ctx context.Context, p *Probe) Verdict {
	last, changes := p.keySet(ctx), 0
	for i := range 20 {
		var header http.Header
		if i%2 == 1 {
			header = http.Header{"Connection": {"close"}} // the next one needs a new connection
		}
		a := p.get(ctx, p.jwksURI(), header)
		keys := keysOf(a)
		if keys == nil {
			return fail("fetch %d gets no keys", i+2)
		}
		if !reflect.DeepEqual(keys, last) {
			changes++
		}
		if last = keys; changes > 1 {
			return fail("the keys changed twice in %d fetches", i+2)
		}
	}
	return pass()
}

func jwksMethod(ctx context.Context, p *Probe) Verdict {
	before := p.keySet(ctx)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if a := p.ask(ctx, method, p.jwksURI(), nil); a.status != http.StatusMethodNotAllowed {
			return fail("%s is answered %d, not 405", method, a.status)
		}
	}
	if after := p.get(ctx, p.jwksURI(), nil); !reflect.DeepEqual(keysOf(after), before) {
		return fail("the keys are others afterwards")
	}
	return pass()
}

func jwksNoAuth(ctx context.Context, p *Probe) Verdict {
	p.keySet(ctx)
	for _, credentials := range []string{"Bearer " + random("wrong"), basicHeader("nobody", random("wrong"))} {
		a := p.get(ctx, p.jwksURI(), http.Header{"Authorization": {credentials}})
		if a.status != http.StatusOK || keysOf(a) == nil {
			return fail("with credentials that mean nothing there it answers %d, without keys", a.status)
		}
	}
	return pass()
}

func jwksSize(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.jwksURI(), nil)
	keys := keysOf(a)
	switch {
	case keys == nil:
		return undecided("jwks_uri answers no keys")
	case len(keys) > 16:
		return fail("%d keys", len(keys))
	case len(a.body) >= 64<<10:
		return fail("%d octets", len(a.body))
	}
	return pass()
}
