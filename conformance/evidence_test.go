package conformance_test

import (
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// Every case has its evidence, and the command in it gets the same status from
// the server as the case did.
func TestCommandsRepeatTheEvidence(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("HALLMARK_REQUIRE_PEERS") != "" {
				t.Fatalf("required and not here: %v", err)
			}
			t.Skipf("not here: %v", err)
		}
	}
	target := newIssuer(t, "no-throttle").target() // each wrong password is sent twice
	target.Hooks = conformance.Hooks{}             // the keys are to be the same for both
	variables := map[string]string{
		"CLIENT_SECRET": appSecret, "CLIENT2_SECRET": secondSecret, "POST_CLIENT_SECRET": postSecret,
		"PASSWORD": alicePassword, "USER2_PASSWORD": victimPassword,
	}
	env := append(os.Environ(), "no_proxy=*")
	for name, value := range variables {
		env = append(env, name+"="+value, name+"_ENCODED="+url.QueryEscape(value))
	}
	repeated, without := 0, 0
	for _, r := range run(t, target, conformance.Options{}).Results {
		if r.Outcome == conformance.Skipped {
			continue
		}
		if len(r.Links) == 0 && !strings.Contains(r.Section, "measured") || r.Expected == "" {
			t.Errorf("%s: %+v, without its evidence", r.ID, r)
		}
		if r.Curl == "" {
			without++
		}
		for _, variable := range regexp.MustCompile(`"\$(\w+)"`).FindAllStringSubmatch(r.Curl, -1) {
			if variables[strings.TrimSuffix(variable[1], "_ENCODED")] == "" {
				r.Curl = "" // a token that only the case had
			}
		}
		if r.Curl == "" || r.Got == "no answer" {
			continue
		}
		repeated++
		bash := exec.CommandContext(t.Context(), "bash", "-u", "-c", r.Curl)
		bash.Env = env
		out, err := bash.CombinedOutput()
		status, _, _ := strings.Cut(r.Got, " ")
		if _, got, _ := strings.Cut(string(out), " "); err != nil || !strings.HasPrefix(got, strings.TrimSuffix(status, ";")) {
			t.Errorf("%s: %s answers %q, %v; the case got %s", r.ID, r.Curl, out, err, r.Got)
		}
	}
	if repeated < 50 || without > 20 {
		t.Errorf("%d commands ran, %d cases have none", repeated, without)
	}
}

// What does not hold says what that means; what holds has nothing to say.
func TestMeans(t *testing.T) {
	t.Parallel()
	means := map[string]string{}
	for _, c := range conformance.Cases() {
		means[c.ID] = c.Means
	}
	for _, r := range run(t, newIssuer(t, "duplicates", "no-etag").target(), conformance.Options{Only: []string{"tok-dup-*", "jwks-*", "pw-ok"}}).Results {
		want := ""
		if r.Outcome == conformance.Fail || r.Outcome == conformance.Warn {
			want = means[r.ID]
		}
		if r.Means != want {
			t.Errorf("%s is %s and means %q, want %q", r.ID, r.Outcome, r.Means, want)
		}
	}
}
