// Package conformance checks an OAuth 2.0 token server from outside: it speaks
// HTTP only, and knows nothing but the specifications and what its caller says
// in a Target.
//
//	report, err := conformance.Run(ctx, conformance.Target{
//		Issuer: "https://issuer.example",
//		Client: conformance.Client{ID: "app", Secret: secret},
//		User:   conformance.User{Name: "alice", Password: password},
//	}, conformance.Options{})
//
// The life of a case:
//
//	selected? ── no ──► not in the report
//	   │ inputs there? ── no ──► skipped, naming the flag
//	   │ feature there? ── no ──► n/a, with the evidence
//	   │ valid request works (the positive control)? ── no ──► inconclusive
//	   ▼
//	the request that the case is about ──► pass, or fail (warn when not a MUST)
//
// Cases do not share tokens: each gets its own grant. Those that load or attack
// the server (Abuse) run last, only when asked for, and only on loopback or
// where the caller says that the server is theirs.
// Nothing that is secret gets into a Report: it is taken out by value.
//
// Hooks are the caller's hands on the server, for the cases about rotations,
// restarts and users who are disabled.
//
// The package does not decide about TLS, and does not drive a browser.
package conformance

import (
	"context"
	"slices"
)

// A Level says how binding the sentence behind a case is.
type Level string

// The levels. A case that is not a MUST warns where it does not hold.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
	BCP    Level = "BCP" // best current practice, or what real verifiers were seen to need
)

// A Case is one black-box check. IDs are stable: they are never reused.
type Case struct {
	ID       string
	Group    string // metadata, jwks, token, cauth, pw, rt, res, at, rev, intro, http
	Section  string // "RFC 6749 §3.2, §5.2"
	Level    Level
	Expected string  // one sentence
	Means    string  // one sentence: what it means for users where it does not hold
	Abuse    bool    // loads or attacks the server
	Fast     bool    // means nothing at a pace, so it is for loopback and owned servers only, too
	Needs    []Input // beside the issuer
	Method   string  // of client authentication, without which it does not apply; empty: none
	Run      func(context.Context, *Probe) Verdict
}

// Cases returns all cases in the order in which they run.
func Cases() []Case {
	return slices.Concat(
		metadataCases(), metadataMemberCases(), metadataTruthCases(), metadataClaimCases(), metadataHTTPCases(),
		jwksFormCases(), jwksCases(), jwksNumberCases(), jwksUseCases(), jwksCertificateCases(), jwksHTTPCases(),
		tokenCases(), tokenBodyCases(), tokenParamCases(), tokenAnswerCases(), tokenErrorCases(), tokenLeakCases(), tokenScopeCases(),
		clientAuthCases(), clientAuthBasicCases(), clientAuthMethodCases(), clientAuthSecretCases(), clientAuthJWTCases(),
		passwordCases(), passwordTextCases(), refreshCases(), refreshScopeCases(), refreshTokenCases(), refreshReuseCases(), expiryCases(),
		resourceCases(), accessTokenCases(), atFormCases(), atClaimCases(), atPersonalCases(), atGrantCases(),
		revocationCases(), revocationEffectCases(), introspectionCases(), introspectionOtherCases(), bearerCases(), bearerPlaceCases(),
		httpCases(), httpCORSCases(), httpMethodCases(), httpConnectionCases(), httpTLSCases(), http2Cases(), httpMalformedCases(),
		rotationCases(), stormCases(), handCases(), switchCases(), nodeCases(), crashCases(),
		abuseCases(), httpForwardedCases(), throttleCases(), passwordChangeCases(), disabledCases(), grantCases(),
	)
}
