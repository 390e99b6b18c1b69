package main

import (
	"net"
	"net/url"
	"strings"
)

// difference says how the issuer that was found differs from the one that was
// expected; empty if they are equal byte for byte.
func difference(want, got string) string {
	if want == got {
		return ""
	}
	var how []string
	w, errWant := url.Parse(want)
	g, errGot := url.Parse(got)
	if errWant != nil || errGot != nil {
		return "one of them is not a URL"
	}
	if w.Scheme != g.Scheme {
		how = append(how, "scheme "+g.Scheme+" instead of "+w.Scheme+schemeHint(g))
	}
	if w.Hostname() != g.Hostname() {
		how = append(how, hostDifference(w.Hostname(), g.Hostname()))
	}
	if w.Port() != g.Port() {
		how = append(how, "port "+or(g.Port(), "left out")+" instead of "+or(w.Port(), "left out"))
	}
	how = append(how, pathDifference(w.EscapedPath(), g.EscapedPath())...)
	if w.RawQuery != g.RawQuery || w.Fragment != g.Fragment || w.ForceQuery != g.ForceQuery {
		how = append(how, "another query or fragment")
	}
	if len(how) == 0 {
		return "they are written differently"
	}
	return strings.Join(how, ", ")
}

func schemeHint(got *url.URL) string {
	if got.Scheme == "http" {
		return " (the server does not know that TLS ends in front of it)"
	}
	return ""
}

func hostDifference(want, got string) string {
	switch {
	case strings.EqualFold(want, got):
		return "upper and lower case in the host"
	case internal(got):
		return "host " + got + ", an internal name, instead of " + want
	case internal(want):
		return "host " + got + " instead of " + want + ", which is an internal name"
	}
	return "host " + got + " instead of " + want
}

// internal reports names that mean something on one network only.
func internal(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
	}
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range []string{".localhost", ".local", ".internal", ".svc", ".lan", ".home.arpa"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return !strings.Contains(host[1:], ".")
}

func pathDifference(want, got string) []string {
	switch {
	case want == got:
		return nil
	case strings.TrimRight(want, "/") == strings.TrimRight(got, "/") && strings.HasSuffix(got, "/"):
		return []string{"a final slash too many"}
	case strings.TrimRight(want, "/") == strings.TrimRight(got, "/"):
		return []string{"a final slash less"}
	case strings.EqualFold(want, got):
		return []string{"upper and lower case in the path"}
	}
	return []string{"path " + or(got, "left out") + " instead of " + or(want, "left out")}
}
