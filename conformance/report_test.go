package conformance_test

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// inJSON is s as it stands in a JSON string.
func inJSON(s string) string {
	quoted, _ := json.Marshal(s)
	return string(quoted[1 : len(quoted)-1])
}

func sample() conformance.Report {
	return conformance.Report{
		Schema: 1, Issuer: "https://issuer.example", Started: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Waivers: []conformance.WaiverUse{
			{ID: "cauth-*", Reason: "The gateway is to be replaced.", Expires: "2027-01-01", State: conformance.WaiverUsed},
			{ID: "pw-*", Reason: "Nobody knows.", Expires: "2026-01-01", State: conformance.WaiverExpired},
		},
		Results: []conformance.Result{
			{ID: "meta-8414-path", Group: "metadata", Level: conformance.Must, Section: "RFC 8414 §3, §3.1", Outcome: conformance.Pass, Expected: "The document is there.", Sent: "GET x", Got: "200", Took: 3 * time.Millisecond},
			{ID: "meta-oidc-path", Group: "metadata", Level: conformance.Should, Section: "OIDC Discovery §4", Outcome: conformance.NA, Expected: "The document is there too.", Why: "404", Sent: "GET y", Got: "404"},
			{ID: "tok-dup-scope", Group: "token", Level: conformance.Must, Section: "RFC 6749 §3.2, §5.2", Outcome: conformance.Fail, Expected: "scope twice is refused.", Links: []string{"https://www.rfc-editor.org/rfc/rfc6749#section-3.2", "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"}, Why: "a token was issued", Means: "What is checked may not be what is granted.", Curl: `curl -sS -i https://issuer.example/token --data-urlencode scope=a --data-urlencode scope=a --data-urlencode password="$PASSWORD"`, Sent: "POST https://issuer.example/token scope=a&scope=a&password=[password]", Got: "200 application/json; members access_token"},
			{ID: "jwks-etag", Group: "jwks", Level: conformance.BCP, Section: "RFC 9110 §8.8.3", Outcome: conformance.Warn, Expected: "There is an ETag.", Why: "no ETag", Sent: "GET z", Got: "200 application/json"},
			{ID: "cauth-challenge", Group: "cauth", Level: conformance.Must, Section: "RFC 6749 §5.2", Outcome: conformance.Waived, Expected: "There is a challenge.", Why: "no challenge", Sent: "POST x", Got: "401", Waived: &conformance.Pardon{Outcome: conformance.Fail, Reason: "The gateway is to be replaced.", Expires: "2027-01-01"}},
			{ID: "rt-client-bound", Group: "rt", Level: conformance.Must, Section: "RFC 6749 §6", Outcome: conformance.Skipped, Expected: "It is refused.", Why: "give --client2-id"},
			{ID: "rt-unknown", Group: "rt", Level: conformance.Must, Section: "RFC 6749 §5.2", Outcome: conformance.Inconclusive, Expected: "It is refused.", Why: "no answer: EOF", Sent: "POST …", Got: "no answer"},
		},
	}
}

func TestReportWriters(t *testing.T) {
	for name, write := range map[string]func(conformance.Report, *strings.Builder) error{
		"report.txt":  func(r conformance.Report, b *strings.Builder) error { return r.WriteText(b) },
		"report.json": func(r conformance.Report, b *strings.Builder) error { return r.WriteJSON(b) },
		"report.xml":  func(r conformance.Report, b *strings.Builder) error { return r.WriteJUnit(b) },
	} {
		var got strings.Builder
		if err := write(sample(), &got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s is now\n%s", name, got.String())
		}
	}
}

func TestPartialReports(t *testing.T) {
	r := conformance.Report{Partial: true, Left: 7, Results: []conformance.Result{{ID: "pw-ok", Group: "pw", Outcome: conformance.Pass}}}
	for want, write := range map[string]func(io.Writer) error{
		"1 pass, 0 fail; partial: interrupted with 7 cases left\n": r.WriteText,
		`"partial": true,` + "\n" + `  "left": 7`:                  r.WriteJSON,
		`tests="2" failures="0" errors="1"`:                        r.WriteJUnit,
		`<testcase name="complete" classname="conformance.run" time="0.000">` + "\n" +
			`      <error message="1 pass, 0 fail; partial: interrupted with 7 cases left" type="partial">`: r.WriteJUnit,
	} {
		var b strings.Builder
		if err := write(&b); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v, no %q in\n%s", err, want, b.String())
		}
	}
	if r.ExitCode() != 2 || r.Passed() {
		t.Errorf("exit code %d, passed %v", r.ExitCode(), r.Passed())
	}
	r.Results = append(r.Results, conformance.Result{Outcome: conformance.Fail})
	if r.ExitCode() != 1 {
		t.Errorf("with a failure the exit code is %d", r.ExitCode())
	}
}

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		outcomes []conformance.Outcome
		want     int
	}{
		{[]conformance.Outcome{conformance.Waived, conformance.Skipped}, 0},
		{nil, 2},
		{[]conformance.Outcome{conformance.Skipped, conformance.NA}, 2},
		{[]conformance.Outcome{conformance.Pass}, 0},
		{[]conformance.Outcome{conformance.Pass, conformance.Warn, conformance.NA, conformance.Skipped}, 0},
		{[]conformance.Outcome{conformance.Pass, conformance.Inconclusive}, 2},
		{[]conformance.Outcome{conformance.Pass, conformance.Inconclusive, conformance.Fail}, 1},
	} {
		var r conformance.Report
		for _, o := range tc.outcomes {
			r.Results = append(r.Results, conformance.Result{Outcome: o})
		}
		if got := r.ExitCode(); got != tc.want || r.Passed() != (tc.want == 0) {
			t.Errorf("%v: exit code %d, passed %v, want %d", tc.outcomes, got, r.Passed(), tc.want)
		}
		r.Strict = true
		if got := r.ExitCode(); r.Count(conformance.Warn) > 0 && got != 1 || r.Count(conformance.Warn) == 0 && got != tc.want {
			t.Errorf("%v, strict: exit code %d", tc.outcomes, got)
		}
	}
}
