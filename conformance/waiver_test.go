package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

func TestWaivers(t *testing.T) {
	t.Parallel()
	target := newIssuer(t, "duplicates", "no-etag", "hangup").target()
	later, past := time.Now().Add(48*time.Hour), time.Now().Add(-time.Hour)
	waivers := []conformance.Waiver{
		{ID: "jwks-et*", Reason: "a", Expires: later},
		{ID: "jwks-kty", Reason: "b", Expires: later},
		{ID: "tok-dup-*", Reason: "c", Expires: later}, // inconclusive: waives nothing
		{ID: "at-*", Reason: "d", Expires: later},
		{ID: "no-such-case", Reason: "e", Expires: later},
	}
	o := conformance.Options{Only: []string{"jwks-etag", "jwks-kty", "tok-dup-scope"}, Waivers: waivers, Strict: true}
	report := run(t, target, o)
	r := report.Results
	if len(r) != 3 || r[1].Outcome != conformance.Waived || r[1].Waived == nil || r[1].Waived.Outcome != conformance.Warn || r[1].Waived.Reason != "a" ||
		r[0].Outcome != conformance.Pass || r[0].Waived != nil || r[2].Outcome != conformance.Inconclusive {
		t.Errorf("%+v", r)
	}
	var states []string
	for _, use := range report.Waivers {
		states = append(states, string(use.State))
	}
	if got := strings.Join(states, " "); got != "used unused idle idle unused" {
		t.Errorf("the waivers are %s", got)
	}

	// On its day it waives no more, and the report says so.
	o.Only, o.Waivers = []string{"jwks-etag"}, []conformance.Waiver{{ID: "jwks-etag", Reason: "a", Expires: past}}
	report = run(t, target, o)
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if report.Results[0].Outcome != conformance.Warn || report.ExitCode() != 1 || report.Waivers[0].State != conformance.WaiverExpired || !strings.Contains(text.String(), "expired") {
		t.Errorf("%+v\n%s", report, text.String())
	}
	for want, w := range map[string]conformance.Waiver{
		"no reason": {ID: "a", Expires: later}, "expires": {ID: "a", Reason: "x"}, "glob": {ID: "[", Reason: "x", Expires: later},
	} {
		if _, err := conformance.Run(t.Context(), target, conformance.Options{Waivers: []conformance.Waiver{w}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
