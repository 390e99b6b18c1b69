package conformance_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// spoilAnswer changes what a token answer says, by mutation.
func (is *issuer) spoilAnswer(w http.ResponseWriter, s *session, body map[string]any) {
	if s.client == "kiosk" && !is.mutated("refresh-for-all") {
		delete(body, "refresh_token")
	}
	for mutation, change := range map[string]func(){
		"refresh-null":     func() { body["refresh_token"] = nil },
		"scope-array":      func() { body["scope"] = []string{"read"} },
		"scope-overstated": func() { body["scope"] = "read write admin" },
		"expires-more":     func() { body["expires_in"] = 601 },
		"expires-less":     func() { body["expires_in"] = 60 },
		"cookie":           func() { w.Header().Set("Set-Cookie", "sid=1") },
		"pragma-forgotten": func() { w.Header().Del("Pragma") },
		"default-unsaid":   func() { is.unsay(body) },
	} {
		if is.mutated(mutation) {
			change()
		}
	}
}

// unsay leaves the scope out where none was asked for.
func (is *issuer) unsay(body map[string]any) {
	if !is.form.Has("scope") {
		delete(body, "scope")
	}
}

// spoilError changes an error; done means that it has been answered.
func (is *issuer) spoilError(w http.ResponseWriter, e *refusal) (done bool) {
	switch {
	case e.status == http.StatusTooManyRequests && is.mutated("throttle-text"):
		w.Header().Set("Content-Type", "text/plain")
	case is.mutated("echo-raw"):
		e.why = "cannot read" + is.received("")
	case is.mutated("reflect-secret"):
		e.why = "wrong:" + is.received("")
	case is.mutated("cookie-errors"):
		w.Header().Set("Set-Cookie", "sid=1")
	case is.mutated("errors-see-other"):
		w.Header().Set("Location", "/error")
		w.WriteHeader(http.StatusSeeOther)
		return true
	case is.mutated("errors-as-text"):
		w.Header().Set("Content-Type", "text/plain")
	case is.mutated("errors-bare"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(e.status)
		fmt.Fprintf(w, "%q", e.code)
		return true
	case is.mutated("errors-numbered"):
		writeJSON(w, e.status, map[string]int{"error": 42})
		return true
	case is.mutated("reflect-html"):
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(e.status)
		fmt.Fprint(w, "<h1>cannot read", is.received(""), "</h1>")
		return true
	case is.mutated("uri-prose"):
		writeJSON(w, e.status, map[string]string{"error": e.code, "error_uri": "see the manual"})
		return true
	case is.mutated("stack-trace") && e.why == "text":
		e.why = "panic: goroutine 1 [running]: /srv/issuer/token.go:42"
	}
	return false
}

// received is every value that was sent.
func (is *issuer) received(before string) string {
	var all []string
	for name, values := range is.form {
		all = append(all, before+" "+name+" "+strings.Join(values, " "))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
