package operator

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	maxClientID    = 128
	maxClientName  = 256
	maxMembers     = 100 // of one set in a client's record
	maxAudience    = 512
	maxScope       = 256
	maxRetryWindow = time.Hour
)

func (n NewClient) checkIdentity() (problems Invalid) {
	if n.ID != "" && !isClientID(n.ID) {
		problems = append(problems, Problem{"id", "must be 1 to 128 of A-Z a-z 0-9 - _ . and not dots alone; leave it out to get a random one"})
	}
	if len(n.Name) > maxClientName || !isText(n.Name) {
		problems = append(problems, Problem{"name", fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", maxClientName)})
	}
	switch n.AuthMethod {
	case storage.AuthNone, storage.AuthBasic, storage.AuthPost:
	default:
		problems = append(problems, Problem{"auth_method", fmt.Sprintf("%q is not supported: use none, client_secret_basic or client_secret_post", n.AuthMethod)})
	}
	return problems
}

func isClientID(id string) bool {
	if strings.Trim(id, ".") == "" || len(id) > maxClientID { // dots alone: no URL's path can hold them
		return false
	}
	return !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c))
	})
}

func (n NewClient) checkGrants() (problems Invalid) {
	for _, g := range n.Grants {
		if g != storage.GrantPassword && g != storage.GrantRefreshToken {
			problems = append(problems, Problem{"grants", fmt.Sprintf("%q is not supported: use password and refresh_token", g)})
		}
	}
	// RFC 6749 §1.5: a refresh token comes from another grant.
	if !slices.Contains(n.Grants, storage.GrantPassword) && !n.onlyIntrospects() {
		problems = append(problems, Problem{"grants", "add password: without it the client can never get a token"})
	}
	return problems
}

func (n NewClient) checkScopes() (problems Invalid) {
	problems = tooMany("scopes", n.Scopes)
	for _, s := range n.Scopes {
		if !isScopeToken(s) {
			problems = append(problems, Problem{"scopes", fmt.Sprintf("%q is no scope: 1 to %d visible ASCII characters but \" and \\", s, maxScope)})
		}
	}
	if extra := outside(n.DefaultScopes, n.Scopes); len(extra) > 0 {
		problems = append(problems, Problem{"default_scopes", fmt.Sprintf("%q must be in scopes too", extra)})
	}
	return problems
}

// isScopeToken is RFC 6749 §3.3: 1*( %x21 / %x23-5B / %x5D-7E ).
func isScopeToken(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c == '"' || c == '\\' || c > '~'
	})
}

func (n NewClient) checkAudiences() (problems Invalid) {
	problems = tooMany("audiences", n.Audiences)
	for _, a := range n.Audiences {
		if err := checkAudience(a); err != nil {
			problems = append(problems, Problem{"audiences", fmt.Sprintf("%q %v", a, err)})
		}
	}
	extra := outside(n.DefaultAudiences, n.Audiences)
	switch {
	case len(n.Audiences) == 0 && n.onlyIntrospects(): // it gets no tokens
	case len(n.Audiences) == 0: // a token without aud is good everywhere
		problems = append(problems, Problem{"audiences", "name at least one: the API that the tokens are for, such as https://api.example.com"})
	case len(extra) > 0:
		problems = append(problems, Problem{"default_audiences", fmt.Sprintf("%q must be in audiences too", extra)})
	case len(n.DefaultAudiences) == 0:
		problems = append(problems, Problem{"default_audiences", "say which of the audiences a token gets that was asked for without resource"})
	}
	return problems
}

// onlyIntrospects reports whether the client is an API that gets no tokens itself.
func (n NewClient) onlyIntrospects() bool { return len(n.Grants) == 0 && len(n.Introspects) > 0 }

func (n NewClient) checkIntrospects() (problems Invalid) {
	problems = tooMany("introspects", n.Introspects)
	for _, a := range n.Introspects {
		if err := checkAudience(a); err != nil {
			problems = append(problems, Problem{"introspects", fmt.Sprintf("%q %v", a, err)})
		}
	}
	if len(n.Introspects) > 0 && n.AuthMethod == storage.AuthNone { // RFC 7662 §4
		problems = append(problems, Problem{"introspects", "only a client with a secret may introspect: use client_secret_basic or client_secret_post"})
	}
	return problems
}

// checkAudience accepts an absolute URI without fragment (RFC 8707 §2) and,
// for APIs that are known by one, a plain name (RFC 7519 §2, StringOrURI).
func checkAudience(a string) error {
	if a == "" || len(a) > maxAudience || strings.ContainsFunc(a, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fmt.Errorf("must be 1 to %d visible ASCII characters", maxAudience)
	}
	if !strings.ContainsAny(a, ":/#?") {
		return nil
	}
	u, err := url.Parse(a)
	switch {
	case err != nil || !u.IsAbs():
		return errors.New("must be an absolute URI, such as https://api.example.com, or a plain name")
	case strings.Contains(a, "#"):
		return errors.New("must not have a fragment: drop # and what follows it")
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host == "":
		return errors.New("lacks a host")
	}
	return nil
}

func (n NewClient) checkClaims() (problems Invalid) {
	problems = tooMany("claims", n.Claims)
	for _, c := range n.Claims {
		if err := checkClaimName(c); err != nil {
			problems = append(problems, Problem{"claims", fmt.Sprintf("%q %v", c, err)})
		}
	}
	return problems
}

func (n NewClient) checkAlgorithm(algorithms []keys.Algorithm) Invalid {
	if n.Algorithm == "" || slices.Contains(algorithms, keys.Algorithm(n.Algorithm)) {
		return nil
	}
	return Invalid{{"algorithm", fmt.Sprintf("%q has no keys here: use one of %v, or leave it out for the first", n.Algorithm, algorithms)}}
}

// checkAccess keeps tokens from outliving the key that signed them.
func (n NewClient) checkAccess(s keys.Schedule) Invalid {
	if longest := s.LongestToken(); n.AccessLifetime > longest {
		return Invalid{{"access_lifetime", TooLong(n.AccessLifetime, s)}}
	}
	return nil
}

// TooLong explains why no access token may live so long under a schedule.
func TooLong(lifetime time.Duration, s keys.Schedule) string {
	longest := s.LongestToken()
	return fmt.Sprintf("%s is more than %s: a key stays published for keep-after %s once it stopped signing, less leeway, skew %s and poll %s (together %s)",
		lifetime, longest, s.KeepAfter, s.Skew, s.Poll, s.KeepAfter-longest)
}

func (n NewClient) checkLifetimes() (problems Invalid) {
	for _, l := range []struct {
		field string
		value time.Duration
	}{
		{"access_lifetime", n.AccessLifetime}, {"idle_lifetime", n.IdleLifetime}, {"absolute_lifetime", n.AbsoluteLifetime},
	} {
		if l.value < 0 || l.value%time.Second != 0 {
			problems = append(problems, Problem{l.field, fmt.Sprintf("%v must be whole seconds, or 0 for the server's default", l.value)})
		}
	}
	if n.IdleLifetime > n.AbsoluteLifetime && n.AbsoluteLifetime > 0 {
		problems = append(problems, Problem{"idle_lifetime", fmt.Sprintf("%v is longer than the absolute lifetime %v: a session cannot idle longer than it lives", n.IdleLifetime, n.AbsoluteLifetime)})
	}
	switch need := 2 * n.RetryWindow; {
	case n.RetryWindow < 0 || n.RetryWindow > maxRetryWindow:
		problems = append(problems, Problem{"retry_window", fmt.Sprintf("%v must be 0 (strict) to %v: inside it a copied refresh token goes unseen", n.RetryWindow, maxRetryWindow)})
	case n.IdleLifetime > 0 && n.IdleLifetime < need:
		problems = append(problems, Problem{"idle_lifetime", fmt.Sprintf("%v is too short: a refresh that is answered again inside the retry window is not recorded as use, so sessions in use would expire: 2 × retry window %v = %v at least", n.IdleLifetime, n.RetryWindow, need)})
	}
	return problems
}

func (n NewClient) checkOrigins() (problems Invalid) {
	problems = tooMany("origins", n.Origins)
	if len(n.Origins) > 0 && n.AuthMethod != storage.AuthNone {
		problems = append(problems, Problem{"origins", "only a public client (auth method none) runs in a browser: a page cannot keep a secret"})
	}
	for _, o := range n.Origins {
		if err := checkOrigin(o); err != nil {
			problems = append(problems, Problem{"origins", fmt.Sprintf("%q %v", o, err)})
		}
	}
	return problems
}

// checkOrigin accepts what a browser sends as Origin (RFC 6454 §7), byte for
// byte: they are compared, not parsed, when a request comes.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme == "" {
		return errors.New("must be scheme://host or scheme://host:port")
	}
	exact := u.Scheme + "://" + strings.ToLower(u.Host)
	if strings.HasSuffix(exact, ":443") && u.Scheme == "https" || strings.HasSuffix(exact, ":80") && u.Scheme == "http" {
		exact = exact[:strings.LastIndexByte(exact, ':')] // RFC 6454 §6.2: browsers leave the default port out
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || len(origin) > maxAudience:
		return errors.New("must be https, or http on loopback")
	case strings.ContainsFunc(u.Host, func(c rune) bool { return c <= ' ' || c > '~' || c == '*' }):
		return errors.New("must be one host in ASCII, without wildcards")
	case origin != exact:
		return fmt.Errorf("is not what a browser sends: write %s", exact)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("must be https: http is for loopback only")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

func tooMany(field string, values []string) Invalid {
	if len(values) > maxMembers {
		return Invalid{{field, fmt.Sprintf("%d values; at most %d", len(values), maxMembers)}}
	}
	return nil
}

// outside returns the members of part that are not in whole.
func outside(part, whole []string) []string {
	return slices.DeleteFunc(slices.Clone(part), func(v string) bool { return slices.Contains(whole, v) })
}
