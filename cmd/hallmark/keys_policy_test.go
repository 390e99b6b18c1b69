package main

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
)

// TestKeysPolicy: the schedule is shown with the sums that it is held to, and
// changed with what takes effect when.
func TestKeysPolicy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
	shown := d.ok("", "keys", "policy", "show")
	for _, n := range keys.DefaultSchedule().Needs() {
		for _, part := range []string{n.Setting, n.Is.String(), n.Least.String(), n.Sum} {
			if !strings.Contains(shown, part) {
				t.Errorf("keys policy show lacks %q:\n%s", part, shown)
			}
		}
	}
	if longest := keys.DefaultSchedule().LongestToken().String(); !strings.Contains(shown, longest) {
		t.Errorf("keys policy show lacks the longest token %s:\n%s", longest, shown)
	}

	set := func(args ...string) []string { return append([]string{"keys", "policy", "set"}, args...) }
	d.fails(exitUsage, "", set(), "say what to change")
	d.fails(exitUsage, "", set("--publish-ahead", "1m"), "publish_ahead", "2 × max-age 5m0s + poll 5s + skew 2m0s = 12m5s")
	d.fails(exitUsage, "", set("--rotate-every", "1h"), "rotate_every", "publish-ahead = 25h0m0s")
	d.fails(exitUsage, "", set("--algorithms", "ES256,HS256"), "algorithms", "HS256", "EdDSA")
	d.fails(exitUsage, "", set("--rsa-bits", "1024"), "rsa_bits", "2048")

	change := set("--algorithms", "ES384,ES256", "--rotate-every", "500h", "--rsa-bits", "3072")
	if out := d.dry(change...); !strings.Contains(out, "ES384: the line would sign from ") || !strings.Contains(out, "EdDSA: the line would sign on until ") {
		t.Errorf("--dry-run prints %q", out)
	}
	waiting := d.key("ES256", "waiting")
	r := d.run("", change...)
	for _, part := range []string{
		"algorithms", "ES256, EdDSA", "ES384, ES256", "720h0m0s", "500h0m0s", "rsa-bits", "3072",
		"ES384: the line signs from ", "EdDSA: the line signs on until ", "ES256: " + waiting.Kid + " signs from ", ", not " + waiting.SignsFrom,
	} {
		if r.code != exitOK || !strings.Contains(r.out, part) {
			t.Errorf("keys policy set ended with %d and lacks %q:\n%s%s", r.code, part, r.out, r.err)
		}
	}
	if !strings.Contains(r.err, "act=keys.policy") || strings.Contains(r.out, "publish-ahead") {
		t.Errorf("printed %q, logged %q", r.out, r.err)
	}
	for _, k := range d.keys() {
		from, _ := time.Parse(time.RFC3339, k.SignsFrom)
		if wait := time.Until(from); k.Alg == "ES384" && (k.State != "waiting" || wait < 24*time.Hour) {
			t.Errorf("a key of the new line is %s and signs in %v", k.State, wait)
		}
	}
	if out := d.ok("", change...); !strings.Contains(out, "nothing changes") {
		t.Errorf("again: %q", out)
	}
	var policy struct {
		Algorithms []string
		RSABits    int     `json:"rsa_bits"`
		Rotate     float64 `json:"rotate_every_seconds"`
	}
	if d.json(&policy, "", "keys", "policy", "show"); len(policy.Algorithms) != 2 || policy.Algorithms[0] != "ES384" || policy.RSABits != 3072 || policy.Rotate != 500*3600 {
		t.Errorf("the policy is %+v", policy)
	}
	d.ok("", "client", "add", "--audience", "api", "--algorithm", "ES384")
}

// TestKeysPolicyMinds: what clients count on is not taken from them unseen.
func TestKeysPolicyMinds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
	d.ok("", "client", "add", "--id", "ed", "--audience", "api", "--algorithm", "EdDSA")
	d.ok("", "client", "add", "--id", "long", "--audience", "api", "--access-lifetime", "20h")
	list, _ := d.state()
	alone := []string{"keys", "policy", "set", "--algorithms", "ES256"}
	d.fails(exitUsage, "", alone, "EdDSA is what 1 client", "(ed)", "force")
	d.fails(exitUsage, "", append(alone, "--dry-run"), "(ed)")
	if now, _ := d.state(); now != list {
		t.Error("a change that was refused was made")
	}
	short := []string{"keys", "policy", "set", "--keep-after", "10m", "--publish-ahead", "1h"}
	if out := d.ok("", append(short, "--dry-run")...); !strings.Contains(out, "these clients' are set to: long") || !strings.Contains(out, "--access-lifetime is 10m0s") {
		t.Errorf("keep-after 10m: %q", out)
	}
	d.env["HALLMARK_ACCESS_LIFETIME"] = "5m"
	if out := d.ok("", append(short, "--dry-run")...); !strings.Contains(out, "long") || strings.Contains(out, "--access-lifetime") {
		t.Errorf("keep-after 10m for a server of 5m: %q", out)
	}
	if out := d.ok("", append(alone, "--force")...); !strings.Contains(out, "EdDSA: the line signs on until") {
		t.Errorf("--force: %q", out)
	}
	d.serve("--issuer", someIssuer).stop(t)
}
