// Package storage defines what Hallmark keeps and the rules about it that do
// not depend on a database: the records, the errors that verbs report, and the
// refresh ratchet as one pure function. It holds no SQL; the backends are
// storage/sqlite and those beside it, and storage/storagetest is the one suite
// that each must pass.
//
// Backends speak verbs (CreateSession, RotateSession, …). Each verb is one
// transaction: it happens wholly and durably before it returns without an
// error. Two errors are outcomes rather than failures: a verb that reports
// ErrReused or ErrBehind has committed the end of the session first.
//
// Times are wall-clock instants kept in whole microseconds UTC, except where
// the type is ServiceTime.
package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
)

// What a verb reports. Backends wrap these; callers ask with errors.Is.
var (
	ErrNotFound = errors.New("no such record")
	ErrConflict = errors.New("the record already exists, or was changed by someone else")
	ErrDisabled = errors.New("the user is disabled")

	// Reported by RotateSession; none but ErrReused and ErrBehind has an effect.
	ErrExpired  = errors.New("the session is over its idle or absolute lifetime")
	ErrEnded    = errors.New("the session was ended")
	ErrClient   = errors.New("the refresh token was issued to another client")
	ErrGrant    = errors.New("the client may not use the refresh_token grant")
	ErrScope    = errors.New("the scope exceeds what the session was granted")
	ErrResource = errors.New("the resource is not one the session was granted")
	ErrReused   = errors.New("a superseded refresh token was presented: the session is ended")
	ErrBehind   = errors.New("the refresh token is newer than the store, which was set back: the session is ended")

	// Reported by a backend that cannot serve now and may later: locked, full, away, closing.
	ErrUnavailable = errors.New("the store is not available")
)

// A Version numbers the states of the sealed key ring. It only grows.
type Version int64

// A User is somebody who can sign in.
type User struct {
	ID           uuid.UUID // the subject identifier, "sub"
	Name         string    // what is typed at sign-in: NFC, unique, compared exactly
	PasswordHash string    // PHC string; empty: no password signs this user in
	Disabled     bool
	Claims       UserClaims
	ForeignID    string // the id in the system that the user was imported from; unique unless empty
	Imported     Digest // of the hash that was imported last; zero: none was
	CreatedAt    time.Time
	CameAt       time.Time // when a session of the user's first began here; zero: none did
	NotBefore    time.Time // all sessions were ended then: tokens of other systems from before are not taken (Exchange.May)
}

// UserClaims is what is known about a user beyond the name. A client sees the
// members that its record asks for.
type UserClaims struct {
	Roles        []string   `json:"roles,omitempty"`        // RFC 9068 §2.2.3.1
	Groups       []string   `json:"groups,omitempty"`       // RFC 9068 §2.2.3.1
	Entitlements []string   `json:"entitlements,omitempty"` // RFC 9068 §2.2.3.1
	Extra        FreeClaims `json:"extra,omitempty"`
}

// FreeClaims are claims by name. The values are JSON's; a number that was read
// is a json.Number, so that an id of nineteen digits comes out as it went in.
type FreeClaims map[string]any

// UnmarshalJSON reads an object; null is none.
func (c *FreeClaims) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode((*map[string]any)(c))
}

// AuthMethod is how a client proves who it is (RFC 7591 §2, token_endpoint_auth_method).
type AuthMethod string

// The authentication methods.
const (
	AuthNone  AuthMethod = "none"                // a public client: client_id only
	AuthBasic AuthMethod = "client_secret_basic" // RFC 6749 §2.3.1
	AuthPost  AuthMethod = "client_secret_post"  // RFC 6749 §2.3.1
)

// The grant types, by their registered names.
const (
	GrantPassword     = "password"      // RFC 6749 §4.3
	GrantRefreshToken = "refresh_token" // RFC 6749 §6
)

// A Client is a registered application.
type Client struct {
	Number     int64  // given by the store; what a session refers to
	ID         string // client_id: 1–128 of A-Z a-z 0-9 - _ .
	Name       string // for people
	AuthMethod AuthMethod
	Secrets    []Digest // any of them authenticates; empty for AuthNone
	CreatedAt  time.Time

	ClientPolicy
}

// ClientPolicy is what a client may ask for and how long it gets it.
// A zero lifetime means the server's default.
type ClientPolicy struct {
	Grants           []string      `json:"grants"`
	Scopes           []string      `json:"scopes,omitempty"`            // allowed
	DefaultScopes    []string      `json:"default_scopes,omitempty"`    // granted when none is asked for
	Audiences        []string      `json:"audiences"`                   // allowed, absolute URIs or names
	DefaultAudiences []string      `json:"default_audiences"`           // granted when no resource is asked for; never empty
	Introspects      []string      `json:"introspects,omitempty"`       // audiences that it is the API of: it may ask about tokens for them (RFC 7662)
	Claims           []string      `json:"claims,omitempty"`            // the user's claims to put into its access tokens
	Algorithm        string        `json:"algorithm,omitempty"`         // JWS alg; empty: the ring's first
	AccessLifetime   time.Duration `json:"access_lifetime,omitempty"`   // ns
	IdleLifetime     time.Duration `json:"idle_lifetime,omitempty"`     // ns
	AbsoluteLifetime time.Duration `json:"absolute_lifetime,omitempty"` // ns
	RetryWindow      time.Duration `json:"retry_window"`                // ns of service time; 0 is strict
	Rotate           bool          `json:"rotate"`                      // false: the same refresh token is answered for ever
	Origins          []string      `json:"origins,omitempty"`           // browser origins that may call the token endpoint
}

// DefaultRetryWindow is the RetryWindow of a client whose record does not say otherwise.
const DefaultRetryWindow = 90 * time.Second

// EndReason says why a session ended.
type EndReason string

// Why sessions end.
const (
	EndedReused   EndReason = "reused"           // a superseded refresh token was presented
	EndedBehind   EndReason = "store_behind"     // a refresh token newer than the store was presented
	EndedPassword EndReason = "password_changed" // somebody set a new password
	EndedDisabled EndReason = "user_disabled"
	EndedLogout   EndReason = "logged_out" // the user or the client ended it
	EndedRevoked  EndReason = "revoked"    // an operator ended it
	EndedRestored EndReason = "restored"   // the store was restored from a backup
)

// A Session is one lineage of refresh tokens: one login of one user in one
// client. It is one row for life: refreshing changes it in place.
type Session struct {
	ID           SessionID // "sid"
	User         uuid.UUID
	Client       int64 // Client.Number
	Scope        []string
	Audience     []string
	AuthTime     time.Time     // when the password was checked
	ExpiresAt    time.Time     // absolute; never extended
	IdleLifetime time.Duration // carried from the client's record at login
	LastUsedAt   time.Time     // the last refresh that was written; never set back
	LastAddress  string        // from where
	Device       string        // for people: on what the user signed in, as it said itself
	EndedAt      time.Time     // zero while the session lives
	EndReason    EndReason

	Ratchet
}

// MaxDevice is how many bytes of a device's label the server keeps in
// Session.Device. A store keeps what it is given.
const MaxDevice = 40

// A SessionEntry is a session as lists show it. Sessions of a client that was
// removed are in no list: they can never be refreshed.
type SessionEntry struct {
	Session
	Username string
	ClientID string // the client's ID
}

// ExpiredAt reports whether the session is over one of its lifetimes.
func (s Session) ExpiredAt(now time.Time) bool {
	return !now.Before(s.OverAt())
}

// OverAt is when the session expires unless it is refreshed before.
func (s Session) OverAt() time.Time {
	if idle := s.LastUsedAt.Add(s.IdleLifetime); idle.Before(s.ExpiresAt) {
		return idle
	}
	return s.ExpiresAt
}

// End returns the session ended at now for a reason.
func (s Session) End(now time.Time, why EndReason) Session {
	s.EndedAt, s.EndReason = whole(now), why
	return s
}

// whole returns t as it is kept.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// KeepEnded is how long the row of an ended or expired session stays, for
// operators to look at, before the background walk removes it.
const KeepEnded = 24 * time.Hour

// RemovableAt reports whether the background walk may remove the session's row.
func (s Session) RemovableAt(now time.Time) bool {
	over := s.OverAt()
	if !s.EndedAt.IsZero() && s.EndedAt.Before(over) {
		over = s.EndedAt
	}
	return now.Sub(over) >= KeepEnded
}

// NewSession is what CreateSession needs: a user whose password was verified
// against PasswordHash, a client, and what was granted. The verb reports
// ErrNotFound when user or client are gone, ErrDisabled for a disabled user,
// and ErrConflict when the user's hash is no longer the one that was verified
// or the token is in use.
type NewSession struct {
	Token            RefreshToken // from NewRefreshToken
	User             uuid.UUID
	PasswordHash     string
	Client           int64
	Scope            []string
	Audience         []string
	AbsoluteLifetime time.Duration
	IdleLifetime     time.Duration
	Address          string
	Device           string
	Now              time.Time
}

// Session returns the row that CreateSession writes.
func (n NewSession) Session() Session {
	now := whole(n.Now)
	return Session{
		ID: n.Token.SessionID(), User: n.User, Client: n.Client,
		Scope: n.Scope, Audience: n.Audience,
		AuthTime: now, ExpiresAt: whole(now.Add(n.AbsoluteLifetime)), IdleLifetime: n.IdleLifetime.Truncate(time.Microsecond),
		LastUsedAt: now, LastAddress: n.Address, Device: n.Device,
		Ratchet: Ratchet{Generation: n.Token.generation, Current: n.Token.digest()},
	}
}

// May reports whether a newly verified sign-in may open this session.
func (n NewSession) May(u User) error {
	switch {
	case u.Disabled:
		return ErrDisabled
	case u.PasswordHash != n.PasswordHash:
		return ErrConflict
	}
	return nil
}
