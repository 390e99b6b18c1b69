package server_test

import (
	"slices"
	"strings"
	"testing"
)

// TestOpsKeys: an operator's program turns the keys over.
func TestOpsKeys(t *testing.T) {
	b := newBureau(t)
	kids := func(state string) (kids []string) {
		for _, k := range b.want(200, "GET", "/keys", nil).body["keys"].([]any) {
			if k := k.(map[string]any); k["alg"] == "ES256" && k["state"] == state {
				kids = append(kids, k["kid"].(string))
			}
		}
		return kids
	}
	waiting := kids("waiting")
	done := b.want(200, "POST", "/keys/rotate", members{"alg": "ES256", "now": true})
	if got := kids("signing"); !slices.Equal(got, waiting) || !slices.Equal(done.names("rotations", "next_kid"), waiting) {
		t.Errorf("%v waited, %v signs, answered %s", waiting, got, done.raw)
	}
	leaked, waiting := kids("signing")[0], kids("waiting")
	b.want(200, "POST", "/keys/"+leaked+"/revoke", nil)
	if got := kids("signing"); !slices.Equal(got, waiting) || !slices.Equal(kids("revoked"), []string{leaked}) {
		t.Errorf("%v waited, %v signs", waiting, got)
	}
	b.want(200, "POST", "/keys/"+leaked+"/revoke", nil)
	b.want(404, "POST", "/keys/nobody/revoke", nil)
	b.want(200, "POST", "/keys/"+leaked+"/revoke", members{})
	b.refused(b.call("POST", "/keys/"+leaked+"/revoke", members{"reason": "two\nlines"}), 400, "invalid_request", "one line")
	b.refused(b.call("POST", "/keys/"+leaked+"/revoke", members{"why": "x"}), 400, "invalid_request", "no member here")
	b.refused(b.call("POST", "/keys/rotate", members{"alg": "HS256"}), 404, "invalid_request", "HS256")
}

// TestOpsKeyPolicy: an operator's program looks at the schedule and changes it;
// a dry run of any act on keys says the same and does nothing.
func TestOpsKeyPolicy(t *testing.T) {
	b := newBureau(t)
	before := b.want(200, "GET", "/keys", nil)
	shown := b.want(200, "GET", "/keys/policy", nil)
	if shown.body["rotate_every_seconds"] != 2592000.0 || len(shown.names("needs", "sum")) != 3 {
		t.Errorf("the policy is %s", shown.raw)
	}
	kid := before.names("keys", "kid")[0]
	for path, body := range map[string]members{
		"/keys/rotate":             {"now": true, "dry_run": true},
		"/keys/" + kid + "/revoke": {"reason": "r", "dry_run": true},
	} {
		if got := b.want(200, "POST", path, body); !strings.Contains(got.raw, `"dry_run":true`) {
			t.Errorf("%s: %s", path, got.raw)
		}
	}
	change := members{"algorithms": []string{"ES256", "RS256", "EdDSA"}, "keep_after_seconds": 720, "dry_run": true}
	dry := b.want(200, "PATCH", "/keys/policy", change)
	if cut := dry.body["cut"].(map[string]any); dry.body["dry_run"] != true || dry.body["version"] != nil || cut["server"] != true || !slices.Equal(dry.names("added", "alg"), []string{"EdDSA"}) {
		t.Errorf("answered %s", dry.raw)
	}
	if after := b.want(200, "GET", "/keys", nil); after.raw != before.raw {
		t.Errorf("a dry run left\n%s\nof\n%s", after.raw, before.raw)
	}
	delete(change, "dry_run")
	if done := b.want(200, "PATCH", "/keys/policy", change); done.body["changed"] != true || done.body["dry_run"] != nil {
		t.Errorf("answered %s", done.raw)
	}
	if now := b.want(200, "GET", "/keys/policy", nil); now.body["keep_after_seconds"] != 720.0 {
		t.Errorf("the policy is %s", now.raw)
	}
	b.refused(b.call("PATCH", "/keys/policy", members{"publish_ahead_seconds": 60, "rsa_bits": 512}), 400, "invalid_request", "2 × max-age")
	for _, wrong := range []any{int64(1) << 62, -5} {
		b.refused(b.call("PATCH", "/keys/policy", members{"rotate_every_seconds": wrong}), 400, "invalid_request", "out of range")
	}
	b.refused(b.call("PATCH", "/keys/policy", members{"poll_seconds": 1}), 400, "invalid_request", "no member here")
}
