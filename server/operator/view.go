package operator

import (
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// The views are the records as programs get them, from the command line and
// over HTTP alike: without hashes and digests, times as RFC 3339 in UTC,
// lifetimes in seconds.

// A UserView is a user.
type UserView struct {
	ID        string `json:"sub"`
	Name      string `json:"username"`
	Disabled  bool   `json:"disabled"`
	Password  bool   `json:"has_password"`
	ForeignID string `json:"foreign_id,omitempty"`
	CreatedAt string `json:"created_at"`

	storage.UserClaims
}

// ViewUser returns the view of a user.
func ViewUser(u storage.User) UserView {
	usable := u.PasswordHash != "" && !strings.HasPrefix(u.PasswordHash, "!") // Django's mark of none
	return UserView{
		ID: u.ID.String(), Name: u.Name, Disabled: u.Disabled, Password: usable,
		ForeignID: u.ForeignID, CreatedAt: stamp(u.CreatedAt), UserClaims: u.Claims,
	}
}

// A ClientView is a client: names of RFC 7591 §2 where there are some, and 0
// for a lifetime that is the server's default. The secret is there once, in
// the answer to what made it.
type ClientView struct {
	ID               string   `json:"client_id"`
	Secret           string   `json:"client_secret,omitempty"`
	Name             string   `json:"client_name,omitempty"`
	AuthMethod       string   `json:"token_endpoint_auth_method"`
	Secrets          int      `json:"secrets"` // how many authenticate now
	Grants           []string `json:"grant_types"`
	Scope            string   `json:"scope,omitempty"`
	DefaultScope     string   `json:"default_scope,omitempty"`
	Audiences        []string `json:"audiences"`
	DefaultAudiences []string `json:"default_audiences"`
	Introspects      []string `json:"introspects,omitempty"`
	Claims           []string `json:"claims,omitempty"`
	Origins          []string `json:"origins,omitempty"`
	Algorithm        string   `json:"algorithm,omitempty"`
	Access           float64  `json:"access_lifetime"`
	Idle             float64  `json:"idle_lifetime"`
	Absolute         float64  `json:"absolute_lifetime"`
	RetryWindow      float64  `json:"retry_window"`
	Rotate           bool     `json:"rotate"`
	CreatedAt        string   `json:"created_at"`
}

// ViewClient returns the view of a client, without its secrets.
func ViewClient(c storage.Client) ClientView {
	return ClientView{
		ID: c.ID, Name: c.Name, AuthMethod: string(c.AuthMethod), Secrets: len(c.Secrets), Grants: list(c.Grants),
		Scope: strings.Join(c.Scopes, " "), DefaultScope: strings.Join(c.DefaultScopes, " "),
		Audiences: list(c.Audiences), DefaultAudiences: list(c.DefaultAudiences), Introspects: c.Introspects, Claims: c.Claims, Origins: c.Origins,
		Algorithm: c.Algorithm, Access: c.AccessLifetime.Seconds(), Idle: c.IdleLifetime.Seconds(),
		Absolute: c.AbsoluteLifetime.Seconds(), RetryWindow: c.RetryWindow.Seconds(), Rotate: c.Rotate,
		CreatedAt: stamp(c.CreatedAt),
	}
}

// A SessionView is a session.
type SessionView struct {
	ID        string   `json:"sid"`
	Username  string   `json:"username"`
	Subject   string   `json:"sub"`
	ClientID  string   `json:"client_id"`
	State     string   `json:"state"` // live, expired, ended
	EndReason string   `json:"end_reason,omitempty"`
	EndedAt   string   `json:"ended_at,omitempty"`
	Device    string   `json:"device,omitempty"`
	Address   string   `json:"address"`
	FirstSeen string   `json:"first_seen,omitempty"` // not there if an old token without iat began it
	LastSeen  string   `json:"last_seen"`
	ExpiresAt string   `json:"expires_at"` // when it ends without another refresh
	Refreshes uint32   `json:"rotations"`
	Scope     string   `json:"scope,omitempty"`
	Audience  []string `json:"audience"`
}

// ViewSession returns the view of a session at a time.
func ViewSession(e storage.SessionEntry, now time.Time) SessionView {
	v := SessionView{
		ID: e.ID.String(), Username: e.Username, Subject: e.User.String(), ClientID: e.ClientID, State: "live",
		Device: e.Device, Address: e.LastAddress, FirstSeen: stamp(e.AuthTime), LastSeen: stamp(e.LastUsedAt),
		ExpiresAt: stamp(e.OverAt()), Refreshes: e.Generation, Scope: strings.Join(e.Scope, " "), Audience: e.Audience,
	}
	switch {
	case !e.EndedAt.IsZero():
		v.State, v.EndReason, v.EndedAt = "ended", string(e.EndReason), stamp(e.EndedAt)
	case e.ExpiredAt(now):
		v.State = "expired"
	}
	return v
}

// A KeyView is a signing key.
type KeyView struct {
	ID         string `json:"kid"`
	Algorithm  string `json:"alg"`
	State      string `json:"state"` // waiting, signing, retired, revoked
	Published  string `json:"published_at"`
	SignsFrom  string `json:"signs_from"`
	SignsUntil string `json:"signs_until,omitempty"` // as planned
	Gone       string `json:"gone_at,omitempty"`
	Revoked    string `json:"revoked_at,omitempty"`
	Reason     string `json:"reason,omitempty"` // of the revocation
}

// ViewKey returns the view of a key.
func ViewKey(k KeyState) KeyView {
	return KeyView{
		ID: k.ID, Algorithm: string(k.Algorithm), State: string(k.State), Published: stamp(k.PublishedAt),
		SignsFrom: stamp(k.SignsFrom), SignsUntil: stamp(k.Life.SignsUntil), Gone: stamp(k.GoneAt), Revoked: stamp(k.RevokedAt), Reason: k.Reason,
	}
}

// A ReplicaView is a server process.
type ReplicaView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Version  int64  `json:"version"` // of the key ring that it goes by
	Since    string `json:"since"`
	LastSeen string `json:"last_seen"`
	State    string `json:"state"` // current, behind, silent
}

// ViewReplica returns the view of a server process.
func ViewReplica(r ReplicaState) ReplicaView {
	return ReplicaView{r.ID.String(), r.Name, int64(r.Version), stamp(r.AdoptedAt), stamp(r.SeenAt), string(r.State)}
}

// A RotationView says which key takes over, and from when.
type RotationView struct {
	Algorithm   string  `json:"alg"`
	Previous    string  `json:"previous_kid,omitempty"`
	Next        string  `json:"next_kid"`
	SignsFrom   string  `json:"signs_from"`
	Unannounced float64 `json:"unannounced_seconds"`
	DryRun      bool    `json:"dry_run,omitempty"` // nothing was done
}

// ViewRotation returns the view of a rotation.
func ViewRotation(r Rotation) RotationView {
	return RotationView{
		Algorithm: string(r.Algorithm), Previous: r.Previous, Next: r.Next, SignsFrom: stamp(r.SignsFrom), Unannounced: r.Unannounced.Seconds(),
	}
}

// A TokenView is an operator token, without it.
type TokenView struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	CreatedAt string   `json:"created_at"`
	ExpiresAt string   `json:"expires_at"`
}

// ViewToken returns the view of an operator token.
func ViewToken(t storage.OperatorToken) TokenView {
	return TokenView{t.Name, t.Scopes, stamp(t.CreatedAt), stamp(t.ExpiresAt)}
}

// list is never null.
func list(values []string) []string { return append([]string{}, values...) }

// stamp is empty for a time that is not.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
