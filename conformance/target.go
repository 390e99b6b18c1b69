package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
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
// Every client but JWT and the last three must be allowed the password and
// refresh_token grants for Scope.
type Target struct {
	Issuer string // exactly as users write it

	Client Client    // the client of most cases, any method
	Second Client    // another one: a token of Client must be of no use to it
	Basic  Client    // registered for client_secret_basic; default: the first of Client, Second and Strict that is
	Post   Client    // registered for client_secret_post; same default
	Public Client    // registered for none; same default
	Strict Client    // its RetryWindow is 0: spares a case the wait
	Brief  Client    // its sessions end after RefreshIdle and RefreshLifetime; default: Client
	JWT    KeyClient // its grants are password where there is a User, else client_credentials
	API    Client    // of the API that Client's tokens are for, and Second's are not; need have no grants

	NoPassword Client // may not use the password grant, unlike the others
	NoRefresh  Client // may not use the refresh_token grant, unlike the others

	User   User // signs in correctly only
	Victim User // gets the wrong passwords; must not be anybody's account

	Scope         string        // space-separated; what the cases ask for; empty: ask for none
	Ungranted     string        // a scope outside Scope that Client may ask for
	Forbidden     string        // a scope that Second may ask for and Client may not
	ResourceScope string        // a scope that is for the first of Resource and not for the second
	Resource      string        // space-separated; resources (RFC 8707) that Client may ask for, two show more than one
	RetryWindow   time.Duration // how long the issuer lets Client repeat a refresh; 0: not at all

	RefreshIdle     time.Duration // how long a session of Brief lives without a refresh
	RefreshLifetime time.Duration // how long it lives at most
	KeyRetention    time.Duration // how long a key that signs no more stays published

	SecondNode  string // URL of another node of the issuer, which is spoken to in the issuer's name
	ResourceURL string // a protected resource: takes access tokens of Client for Scope, with GET
	Hooks       Hooks

	HTTP *http.Client // default: one of our own; redirects are never followed
}

// An Input is what a case needs of the Target. Its value names the flags.
type Input string

// The inputs.
const (
	NeedClient         Input = "--client-id (and --client-secret-file, --client-auth)"
	NeedSecond         Input = "--client2-id (and --client2-secret-file, --client2-auth)"
	NeedBasic          Input = "--basic-client-id and --basic-client-secret-file, or another client with client_secret_basic"
	NeedPost           Input = "--post-client-id and --post-client-secret-file, or another client with client_secret_post"
	NeedPublic         Input = "--public-client-id, or another client with none"
	NeedAPI            Input = "--api-client-id and --api-client-secret-file (of the API that the client's tokens are for, and the second client's are not)"
	NeedResourceURL    Input = "--resource-url (a protected resource that takes the access tokens)"
	NeedConfidential   Input = "a client with a secret, such as --basic-client-id and --basic-client-secret-file"
	NeedNoPassword     Input = "--no-password-client-id (a client that may not use the password grant)"
	NeedNoRefresh      Input = "--no-refresh-client-id (a client that may use the password grant only)"
	NeedUser           Input = "--username and --password-file"
	NeedVictim         Input = "--user2-username and --user2-password-file (a user that wrong passwords may be tried on)"
	NeedScope          Input = "--scope"
	NeedTwoScopes      Input = "--scope with two or more values"
	NeedRotate         Input = "--hook-rotate"
	NeedRevokeKey      Input = "--hook-revoke-key"
	NeedRestart        Input = "--hook-restart"
	NeedDisableUser    Input = "--hook-disable-user"
	NeedSwitchAlg      Input = "--hook-switch-alg"
	NeedCrash          Input = "--hook-crash"
	NeedRevokeGrant    Input = "--hook-revoke-grant"
	NeedChangePassword Input = "--hook-change-password"
	NeedSecondNode     Input = "--second-node (another node of the issuer)"
	NeedIdle           Input = "--rt-idle (how long a session lives without a refresh)"
	NeedLifetime       Input = "--rt-lifetime (how long a session lives at most)"
	NeedRetention      Input = "--key-retention (how long a key that signs no more stays published)"
	NeedResourceScope  Input = "--resource-scope (a scope that is for the first --resource and not for the second)"
	NeedJWT            Input = "--jwt-client-id and --jwt-client-key-file"
	NeedUngranted      Input = "--scope-ungranted (a scope outside --scope that the client may ask for)"
	NeedForbidden      Input = "--scope-forbidden (a scope that the second client may ask for, and the first may not)"
	NeedUnicode        Input = "--user2-password-file with a password that has characters outside ASCII"
	NeedResource       Input = "--resource (a resource that the client may ask for)"
	NeedTwoResources   Input = "--resource with two or more values"
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

// racer is whom a case about parallel refreshes is about: what it looks for is
// a MUST for public clients.
func (t Target) racer() Client { return or(t.public(), t.Client) }

func (t Target) brief() Client { return or(t.Brief, t.Client) }

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
	case NeedAPI:
		return t.API.known()
	case NeedResourceURL:
		return t.ResourceURL != ""
	case NeedConfidential:
		return t.confidential().known()
	case NeedNoPassword:
		return t.NoPassword.known()
	case NeedNoRefresh:
		return t.NoRefresh.known()
	case NeedUser:
		return t.User.Name != "" && t.User.Password != ""
	case NeedVictim:
		return t.Victim.Name != "" && t.Victim.Password != ""
	case NeedScope:
		return t.Scope != ""
	case NeedTwoScopes:
		return len(strings.Fields(t.Scope)) > 1
	case NeedForbidden:
		return t.Forbidden != ""
	case NeedUnicode:
		return strings.ContainsFunc(t.Victim.Password, func(c rune) bool { return c > unicode.MaxASCII })
	case NeedUngranted:
		return t.Ungranted != ""
	case NeedResource:
		return t.Resource != ""
	case NeedTwoResources:
		return len(strings.Fields(t.Resource)) > 1
	case NeedResourceScope:
		return t.ResourceScope != ""
	case NeedSecondNode:
		return t.SecondNode != ""
	case NeedIdle:
		return t.RefreshIdle > 0
	case NeedLifetime:
		return t.RefreshLifetime > 0
	case NeedRetention:
		return t.KeyRetention > 0
	case NeedJWT:
		return t.JWT.ID != ""
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
	if why := notSecure(t.ResourceURL); t.ResourceURL != "" && why != "" {
		return fmt.Errorf("the protected resource %q is %s: tokens are sent in the clear to loopback only", t.ResourceURL, why)
	}
	if t.SecondNode == "" {
		return nil
	}
	switch node, err := url.Parse(t.SecondNode); {
	case err != nil, node.Host == "", node.User != nil, node.RawQuery != "", node.Fragment != "", strings.Trim(node.Path, "/") != "":
		return errors.New("the second node must be scheme, host and port and no more, such as https://10.0.0.2:8443")
	case !safe(node):
		return fmt.Errorf("the second node %q is not https: credentials are sent in the clear to loopback only", t.SecondNode)
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
