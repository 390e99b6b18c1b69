package conformance_test

import (
	"hash/crc32"
	"maps"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// mutations says which broken rules each case must notice.
func mutations() map[string]string {
	all := map[string]string{}
	for _, group := range []map[string]string{
		metadataMutations(), jwksMutations(), tokenMutations(), cauthMutations(), pwMutations(), rtMutations(), resMutations(),
		revMutations(), introMutations(), atMutations(), bearMutations(), httpMutations(), hookMutations(),
	} {
		maps.Copy(all, group)
	}
	return all
}

// short are the cases that cannot end in a pass at the issuer of these tests:
// it is on loopback, and claims little.
var short = map[string]conformance.Outcome{
	"jwks-x5c-matches":          conformance.NA,
	"jwks-thumbprint-kid":       conformance.NA,
	"at-not-id-token":           conformance.NA,
	"at-client-credentials-sub": conformance.NA,
	"at-cnf":                    conformance.NA,
	"intro-cnf":                 conformance.NA,
	"intro-jwt-response":        conformance.NA,
	"meta-issuer-form":          conformance.Warn,
	"meta-response-types":       conformance.Warn,
	"meta-oidc-required":        conformance.Warn,
	"meta-pkce-methods":         conformance.NA,
	"meta-iss-param-flag":       conformance.NA,
	"meta-dpop-algs":            conformance.NA,
	"meta-endpoints-https-only": conformance.NA,
	"http-tls12":                conformance.NA,
	"http-tls13":                conformance.NA,
	"http-ciphers":              conformance.NA,
	"http-cert":                 conformance.NA,
	"http-hsts":                 conformance.NA,
	"http-http2":                conformance.NA,
	"pw-legacy-notice":          conformance.Warn,
}

// right reports whether r is what an issuer that keeps the rules gets.
func right(r conformance.Result) bool {
	if want, ok := short[r.ID]; ok {
		return r.Outcome == want && r.Why != ""
	}
	return r.Outcome == conformance.Pass
}

// slow are the cases of many requests, for tests that run the others often.
func slow() []string {
	return []string{"*-race-*", "rt-chain-*", "rt-entropy", "rot-*", "jwks-kid-not-reused", "rt-expired", "rt-idle-expiry", "rt-lifetime-*", "rt-crash-*"}
}

func run(t *testing.T, target conformance.Target, o conformance.Options) conformance.Report {
	t.Helper()
	report, err := conformance.Run(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAnIssuerThatKeepsTheRulesPasses(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	report := run(t, is.target(), conformance.Options{Abuse: true})
	if len(report.Results) != len(conformance.Cases()) {
		t.Errorf("%d results of %d cases", len(report.Results), len(conformance.Cases()))
	}
	for _, r := range report.Results {
		if !right(r) || r.Outcome == conformance.Pass && r.Why != "" {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
	noSecrets(t, is, report)
}

func TestEveryCaseCanFail(t *testing.T) {
	t.Parallel()
	mutated := mutations()
	for _, c := range conformance.Cases() {
		if mutated[c.ID] == "" {
			t.Errorf("%s: no mutation", c.ID)
		}
		for _, mutation := range strings.Fields(mutated[c.ID]) {
			if spared(c.ID + mutation) {
				continue
			}
			t.Run(c.ID+"/"+mutation, func(t *testing.T) {
				t.Parallel()
				is := newIssuer(t, mutation)
				target := is.target()
				if needsTLS(mutation) {
					is, target = newFarIssuer(t, mutation)
				}
				r := run(t, target, conformance.Options{Only: []string{c.ID}, Abuse: true, Rate: 1000})
				want := conformance.Warn
				if c.Level == conformance.Must {
					want = conformance.Fail
				}
				got := r.Results[0]
				if got.Outcome != want || got.Why == "" || got.Sent == "" || got.Got == "" {
					t.Errorf("%+v, want %s with evidence", got, want)
				}
				noSecrets(t, is, r)
			})
		}
	}
	if len(mutated) != len(conformance.Cases()) {
		t.Errorf("mutations for %d cases of %d", len(mutated), len(conformance.Cases()))
	}
}

// spared reports what the race detector, which makes it four times as long, need
// not see: seven of eight mutants. Every one has its turn without it.
func spared(name string) bool { return raceEnabled && crc32.ChecksumIEEE([]byte(name))%8 != 0 }

// One broken rule must not look like many: what does not pass under a mutation
// is listed here in full.
func TestMutationsAreNarrow(t *testing.T) {
	t.Parallel()
	for mutation, want := range map[string]string{
		"sniff":               "http-nosniff",
		"typ-jwt":             "at-typ",
		"nbf-same":            "",
		"storable":            "tok-no-store",
		"as-text":             "tok-success-ct",
		"created":             "tok-success-200 rt-ok",
		"unbound":             "rt-client-bound rt-public-bound rt-client-bound-survives",
		"docs-differ":         "meta-both-agree",
		"empty-array":         "meta-no-empty-arrays",
		"max-age-0":           "jwks-cache-control",
		"two-methods":         "cauth-two-methods cauth-two-methods-one-bad",
		"narrow-sticks":       "rt-scope-narrow-then-full",
		"duplicates":          "tok-dup-grant-type tok-dup-scope tok-dup-username tok-dup-each cauth-pkjwt-assertion-type",
		"jti-session":         "rt-ok at-jti",
		"token-no-kid":        "jwks-verifies-issued at-kid",
		"no-rotation":         "rt-rotated-public rt-reuse-revokes-family rt-old-refused rt-grace-window rt-reuse-by-other-client rt-reuse-kills-access rev-rotated-family",
		"no-cors":             "meta-cors",
		"head-404":            "meta-head",
		"doc-post":            "meta-method-post",
		"doc-html":            "meta-status-ct",
		"doc-no-cache":        "meta-cache",
		"doc-latin1":          "meta-json-strict",
		"any-tenant":          "meta-issuer-path-tenant",
		"flag-string":         "meta-types",
		"scope-illegal":       "meta-scopes",
		"dead-endpoint":       "meta-endpoints-alive",
		"jwks-text":           "jwks-status-ct",
		"jwks-twice":          "jwks-json-strict",
		"leading-zero":        "jwks-base64url",
		"claims-twice":        "at-json-unique",
		"iss-other":           "at-iss",
		"coord-long":          "jwks-ec-coord-length",
		"rsa-factor":          "jwks-rsa-weak",
		"enc-key":             "",
		"no-rs256":            "jwks-has-rs256",
		"post-unlisted":       "meta-auth-methods-truth cauth-post-ok",
		"scope-spaces":        "tok-scope-syntax",
		"scope-any-case":      "tok-scope-case",
		"answer-twice":        "tok-success-types",
		"query-overrides":     "tok-query-params-ignored tok-query-mixed tok-dup-body-and-query",
		"refresh-for-all":     "pw-no-refresh-unless",
		"bcrypt":              "pw-long-password pw-whitespace",
		"password-lossy":      "pw-utf8-password",
		"user-as-client":      "pw-basic-user-creds",
		"case-second-subject": "pw-case-username",
		"injectable":          "pw-injection",
		"password-unlisted":   "meta-grants-truth pw-legacy-notice",
	} {
		if spared(mutation) {
			continue
		}
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, r := range run(t, newIssuer(t, mutation).target(), conformance.Options{Skip: append(slow(), abuses()...)}).Results {
				if !right(r) {
					got = append(got, r.ID)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("not passed: %q, want %q", got, want)
			}
		})
	}
}

func TestCaseTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conformance.Cases() {
		switch {
		case seen[c.ID]:
			t.Errorf("%s: twice", c.ID)
		case c.Section == "" || c.Expected == "" || c.Means == "" || c.Group == "" || c.Run == nil:
			t.Errorf("%s: incomplete", c.ID)
		case c.Level != conformance.Must && c.Level != conformance.Should && c.Level != conformance.BCP:
			t.Errorf("%s: level %q", c.ID, c.Level)
		}
		seen[c.ID] = true
	}
}

// abuses are the cases that are run only when asked for.
func abuses() (ids []string) {
	for _, c := range conformance.Cases() {
		if c.Abuse {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
