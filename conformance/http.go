package conformance

import "context"

func httpCases() []Case {
	return group("http",
		Case{
			ID: "http-nosniff", Section: "WHATWG Fetch", Level: BCP, Needs: signsIn(), Run: nosniff,
			Expected: "Metadata, keys and token answers have X-Content-Type-Options: nosniff.",
		},
	)
}

func nosniff(ctx context.Context, p *Probe) Verdict {
	// One after the other, so that the one that lacks it is the evidence.
	for _, next := range []func() answer{
		func() answer { return p.signIn(ctx, p.target.Client).answer },
		func() answer { return p.documents(ctx)[0] },
		func() answer { return p.get(ctx, p.jwksURI(), nil) },
	} {
		if next().header.Get("X-Content-Type-Options") != "nosniff" {
			return fail("no nosniff")
		}
	}
	return pass()
}
