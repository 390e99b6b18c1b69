package server_test

import (
	"net/http"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	spa      = "https://spa.example"
	otherSPA = "https://other.example"
)

func fromOrigin(origin string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Origin", origin) }
}

func TestCrossOrigin(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("spa", storage.AuthNone, func(c *storage.Client) { c.Origins = []string{spa} })
	k.addClient("other", storage.AuthNone, func(c *storage.Client) { c.Origins = []string{otherSPA} })
	good := form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password)

	a := k.post(good, fromOrigin(spa))
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != spa {
		t.Errorf("own origin: %d, %q", a.status, a.header.Get("Access-Control-Allow-Origin"))
	}
	if a := k.post(with(good, "password", ""), fromOrigin(spa)); a.header.Get("Access-Control-Allow-Origin") != spa {
		t.Error("the page cannot read a refusal")
	}
	for _, origin := range []string{otherSPA, "https://evil.example", "null", spa + ".evil.example", "http://spa.example"} {
		a := k.post(good, fromOrigin(origin))
		k.refused(a, 400, "unauthorized_client", "origin")
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read the answer", origin)
		}
	}
	if a := k.post(good, fromOrigin(k.issuer)); a.status != 200 {
		t.Errorf("a page of the server itself: %d", a.status)
	}
	if a := k.post(good); a.status != 200 || a.header.Get("Vary") != "Origin" || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("no browser: %d, Vary %q", a.status, a.header.Get("Vary"))
	}
}

func TestPreflight(t *testing.T) {
	k := newKit(t, "")
	k.addClient("spa", storage.AuthNone, func(c *storage.Client) { c.Origins = []string{spa} })
	k.addClient("other", storage.AuthNone, func(c *storage.Client) { c.Origins = []string{otherSPA} })
	for origin, allowed := range map[string]bool{spa: true, otherSPA: true, "https://evil.example": false, "null": false, "": false} {
		r, _ := http.NewRequest("OPTIONS", k.tokenURL(), nil)
		r.Header.Set("Access-Control-Request-Method", "POST")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		a := k.do(r)
		h := a.header
		if a.status != 204 || h.Get("Allow") != "POST, OPTIONS" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%q: %d %v", origin, a.status, h)
		}
		if got := h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Methods") == "POST" && h.Get("Access-Control-Allow-Headers") == "Content-Type"; allowed != got {
			t.Errorf("%q: allowed %v, want %v", origin, got, allowed)
		}
		if !allowed && h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q got %q", origin, h.Get("Access-Control-Allow-Origin"))
		}
	}
}
