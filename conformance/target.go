package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Client authentication methods, as in the IANA registry.
const (
	AuthNone  = "none"
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
)

// A Client is a client that is registered at the issuer.
type Client struct {
	ID     string
	Secret string
	Method string // empty: AuthBasic with a secret, AuthNone without
}

// A User is a user of the issuer.
type User struct{ Name, Password string }

// A Target is the issuer and what the cases may use there. Only Issuer is
// needed; the cases that lack an input are skipped and name the flag for it.
// Every client must be allowed the password and refresh_token grants for Scope.
type Target struct {
	Issuer string // exactly as users write it

	Client Client // the client of most cases, any method
	Second Client // another one: a token of Client must be of no use to it
	Basic  Client // registered for client_secret_basic; default: the first of Client, Second and Strict that is
	Post   Client // registered for client_secret_post; same default
	Public Client // registered for none; same default
	Strict Client // its RetryWindow is 0: spares a case the wait

	User   User // signs in correctly only
	Victim User // gets the wrong passwords; must not be anybody's account

	Scope       string        // space-separated; what the cases ask for; empty: ask for none
	Ungranted   string        // a scope outside Scope that Client may ask for
	RetryWindow time.Duration // how long the issuer lets Client repeat a refresh; 0: not at all

	Hooks Hooks

	HTTP *http.Client // default: one of our own; redirects are never followed
}

// An Input is what a case needs of the Target. Its value names the flags.
type Input string

// The inputs.
const (
	NeedClient       Input = "--client-id (and --client-secret-file, --client-auth)"
	NeedSecond       Input = "--client2-id (and --client2-secret-file, --client2-auth)"
	NeedBasic        Input = "--basic-client-id and --basic-client-secret-file, or another client with client_secret_basic"
	NeedPost         Input = "--post-client-id and --post-client-secret-file, or another client with client_secret_post"
	NeedPublic       Input = "--public-client-id, or another client with none"
	NeedConfidential Input = "a client with a secret, such as --basic-client-id and --basic-client-secret-file"
	NeedUser         Input = "--username and --password-file"
	NeedVictim       Input = "--user2-username and --user2-password-file (a user that wrong passwords may be tried on)"
	NeedScope        Input = "--scope"
	NeedTwoScopes    Input = "--scope with two or more values"
	NeedRotate       Input = "--hook-rotate"
	NeedRevokeKey    Input = "--hook-revoke-key"
	NeedRestart      Input = "--hook-restart"
	NeedDisableUser  Input = "--hook-disable-user"
	NeedUngranted    Input = "--scope-ungranted (a scope outside --scope that the client may ask for)"
)

// method returns the client's method with the default filled in.
func (c Client) method() string {
	switch {
	case c.Method != "":
		return c.Method
	case c.Secret != "":
		return AuthBasic
	}
	return AuthNone
}

func (c Client) known() bool { return c.ID != "" }

// first returns the first known client that passes ok, or none.
func first(ok func(Client) bool, clients ...Client) Client {
	for _, c := range clients {
		if c.known() && ok(c) {
			return c
		}
	}
	return Client{}
}

func with(method string) func(Client) bool {
	return func(c Client) bool { return c.method() == method }
}

func (t Target) basic() Client  { return first(with(AuthBasic), t.Basic, t.Client, t.Second, t.Strict) }
func (t Target) post() Client   { return first(with(AuthPost), t.Post, t.Client, t.Second, t.Strict) }
func (t Target) public() Client { return first(with(AuthNone), t.Public, t.Client, t.Second, t.Strict) }

func (t Target) confidential() Client {
	return first(func(c Client) bool { return c.Secret != "" }, t.Client, t.Basic, t.Post, t.Second, t.Strict)
}

// strict returns the client that shows reuse soonest, and how long to wait for it.
func (t Target) strict() (Client, time.Duration) {
	if t.Strict.known() {
		return t.Strict, 0
	}
	return t.Client, t.RetryWindow
}

func (t Target) has(in Input) bool {
	switch in {
	case NeedClient:
		return t.Client.known()
	case NeedSecond:
		return t.Second.known()
	case NeedBasic:
		return t.basic().known()
	case NeedPost:
		return t.post().known()
	case NeedPublic:
		return t.public().known()
	case NeedConfidential:
		return t.confidential().known()
	case NeedUser:
		return t.User.Name != "" && t.User.Password != ""
	case NeedVictim:
		return t.Victim.Name != "" && t.Victim.Password != ""
	case NeedScope:
		return t.Scope != ""
	case NeedTwoScopes:
		return len(strings.Fields(t.Scope)) > 1
	case NeedUngranted:
		return t.Ungranted != ""
	}
	return t.Hooks.has(in)
}

// check refuses targets that cannot be asked, or only in the clear.
func (t Target) check() error {
	u, err := url.Parse(t.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("the issuer must be an absolute URL without query, fragment and user")
	}
	if !safe(u) {
		return fmt.Errorf("issuer %q is not https: credentials are sent in the clear to loopback only", t.Issuer)
	}
	if t.Victim.Name != "" && t.Victim.Name == t.User.Name {
		return errors.New("the user for wrong passwords must not be the user that signs in")
	}
	return nil
}

// safe reports whether credentials may be sent to u.
func safe(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" && loopback(u) }

func loopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
