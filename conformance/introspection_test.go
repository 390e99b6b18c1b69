package conformance_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// No secret of a client gets into a URL for the sake of intro-get.
func TestNoSecretInTheURLOfAQuestion(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	target := is.target()
	target.Client, target.Second = target.Post, conformance.Client{}
	if r := only(t, target, "intro-get"); r.Outcome != conformance.Skipped || !strings.Contains(r.Why, "--basic-client-id") {
		t.Errorf("without a client of Basic: %s %q", r.Outcome, r.Why)
	}
	target.Basic = is.target().Client
	if r := only(t, target, "intro-get"); r.Outcome != conformance.Pass || !strings.Contains(r.Sent, "with Basic credentials") {
		t.Errorf("with one: %s %q, sent %s", r.Outcome, r.Why, r.Sent)
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	for _, u := range is.urls {
		for _, secret := range []string{appSecret, secondSecret, postSecret} {
			if strings.Contains(u, url.QueryEscape(secret)) {
				t.Errorf("a secret is in %s", u)
			}
		}
	}
	if len(is.urls) == 0 {
		t.Error("no URLs seen: the test proves nothing")
	}
}
