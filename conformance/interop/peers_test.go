package interop

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// need stops a test whose peer is not installed: it fails where everything is
// required, and is reported as skipped, by name, elsewhere.
func need(t *testing.T, peer string, probe ...string) {
	t.Helper()
	out, err := exec.Command(probe[0], probe[1:]...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("HALLMARK_REQUIRE_PEERS") != "":
		t.Fatalf("%s is required and not installed: %v\n%s", peer, err, out)
	default:
		t.Skipf("%s is not installed", peer)
	}
}

// python is Debian's, where Debian's packages are.
const python = "/usr/bin/python3"

// A peer is somebody else's verifier, set up as its page in docs/verify shows.
type peer struct {
	name  string
	page  string   // in docs/verify
	files []string // what it is set up with, which the page shows
	algs  []string // what it takes: the first is that of its API's client here
	lets  []string // bad tokens that it lets through, by the names in tokens and forgeries
	minds []string // good tokens that it refuses
	need  func(*testing.T)
	start starter

	// What makes it forget a revoked key. Empty: nothing needs to be done, it
	// fetches the keys when they are older than JWKS_MAX_AGE.
	operator string
}

// A starter runs a peer with its files.
type starter func(t *testing.T, s site, files []string) api

// A site is what a peer is set up for.
type site struct {
	issuer, audience string
	maxAge           time.Duration           // of the keys it holds, where it lets that be said
	pem              func(*testing.T) string // the published keys, for who reads files
}

// An api is a peer that runs.
type api struct {
	// ask presents a token. ok: it was accepted, as subject's.
	ask func(t *testing.T, token string) (subject string, ok bool)
	// await returns when it listens. Nil: it does already.
	await func(*testing.T)
	// forget is what its operator does about a revoked key.
	forget func(*testing.T)
	// refill is what its operator does every day. Nil: nothing.
	refill func(*testing.T)
	// secret is what it might take for the secret of an HMAC, if anything.
	secret string
}

const es256, rs256 = "ES256", "RS256"

var both = []string{es256, rs256}

// The bad tokens that some peers take for good, and the good one that one of
// them takes for bad, as the pages name them.
const (
	otherIss    = "another `iss`"
	otherAud    = "another `aud`"
	noAud       = "no `aud`"
	audList     = "an `aud` of several"
	expired     = "expired"
	noExp       = "no `exp`"
	textExp     = "`exp` as a text"
	nbfToCome   = "`nbf` to come"
	noSub       = "no `sub`"
	noClientID  = "no `client_id`"
	noJTI       = "no `jti`"
	otherTyp    = "another `typ`"
	unknownCrit = "unknown `crit`"
)

// peers are all of docs/verify but Kubernetes, which is a module of its own.
func peers() []peer {
	return []peer{
		{
			name: "go-oidc", page: "go-oidc.md", files: []string{"verify_gooidc_test.go"}, start: library(goOIDC),
			algs: both, lets: []string{noSub, noClientID, noJTI, textExp, otherTyp},
		},
		{
			name: "jwx", page: "jwx.md", files: []string{"verify_jwx_test.go"}, start: library(jwx),
			algs: both, lets: []string{textExp, otherTyp, unknownCrit},
		},
		{
			name: "keyfunc", page: "keyfunc.md", files: []string{"verify_keyfunc_test.go"}, start: library(keyFunc),
			algs: both, lets: []string{noSub, noClientID, noJTI, unknownCrit},
		},
		{
			name: "jose", page: "jose.md", files: []string{"node/verify.mjs"}, start: script("node"),
			algs: both, need: npm("jose"),
		},
		{
			name: "oauth4webapi", page: "oauth4webapi.md", files: []string{"node/api/oauth4webapi.mjs"}, start: node,
			algs: both, need: npm("oauth4webapi"),
		},
		{
			name: "express-oauth2-jwt-bearer", page: "express.md", files: []string{"node/api/express.mjs"}, start: node,
			algs: both, need: npm("express", "express-oauth2-jwt-bearer"),
		},
		{
			name: "passport-jwt with jwks-rsa", page: "passport.md", files: []string{"node/api/passport.mjs"}, start: node,
			algs: both, lets: []string{otherTyp, unknownCrit}, need: npm("express", "passport", "passport-jwt", "jwks-rsa"),
		},
		{
			name: "fastify-jwt-jwks", page: "fastify.md", files: []string{"node/api/fastify.mjs"}, start: node,
			algs: []string{rs256}, need: npm("fastify", "fastify-jwt-jwks"),
		},
		{
			name: "PyJWT", page: "pyjwt.md", files: []string{"python/verify.py"}, start: script(python),
			algs: both, lets: []string{textExp, otherTyp}, need: debian("python3-jwt", "import jwt, cryptography"),
		},
		{
			name: "Authlib", page: "authlib.md", files: []string{"python/verify_authlib.py"}, start: script(python),
			algs: both, need: debian("python3-authlib", "import authlib.jose"),
		},
		{
			name: "Simple JWT", page: "django.md", files: []string{"django/api.py"}, start: django,
			algs: []string{es256}, lets: []string{noClientID, otherTyp}, operator: "restart",
			need: debian("python3-djangorestframework-simplejwt", "import rest_framework_simplejwt, django, jwt, cryptography"),
		},
		{
			name: "ruby-jwt", page: "ruby.md", files: []string{"ruby/verify.rb"}, start: script("/usr/bin/ruby"),
			algs: both, lets: []string{textExp, unknownCrit}, need: needRuby,
		},
		{
			name: "mod_auth_openidc", page: "apache.md", files: []string{"apache/api.conf"}, start: apache,
			algs: both, lets: []string{noExp, noClientID, noJTI, nbfToCome, textExp, otherTyp, unknownCrit},
			operator: "reload", need: needApache,
		},
		{
			name: "HAProxy", page: "haproxy.md", files: []string{"haproxy/haproxy.cfg", "haproxy/keys.sh"}, start: haproxy,
			algs: both, lets: []string{noClientID, noJTI, nbfToCome, textExp, unknownCrit}, minds: []string{audList},
			operator: "export and reload", need: needHAProxy,
		},
	}
}

func npm(packages ...string) func(*testing.T) {
	return func(t *testing.T) { needNode(t, packages...) }
}

func debian(name, imports string) func(*testing.T) {
	return func(t *testing.T) { need(t, "Debian's "+name, python, "-c", imports) }
}

func needRuby(t *testing.T) { need(t, "Debian's ruby-jwt", "/usr/bin/ruby", "-e", "require 'jwt'") }

// library runs a Go verifier in this process.
func library(setUp func(ctx context.Context, issuer, audience string, maxAge time.Duration) (verifier, error)) starter {
	return func(t *testing.T, s site, _ []string) api {
		verify, err := setUp(t.Context(), s.issuer, s.audience, s.maxAge)
		if err != nil {
			t.Fatal(err)
		}
		return api{ask: func(t *testing.T, token string) (string, bool) {
			subject, err := verify(t.Context(), token)
			return subject, err == nil
		}}
	}
}
