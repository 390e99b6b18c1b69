package storage

import (
	"crypto/hkdf"
	"crypto/md5" // what Simple JWT puts into its tokens; nothing rests on it alone
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An Exchange is a refresh token of another system, verified by the caller, that
// is to begin a session here. It is good once:
//
//	not seen before            a session begins as if it had just been refreshed with the token
//	seen, and inside the       the same refresh token as the first time: parallel tabs and lost
//	retry window of then       answers are nothing special
//	seen, and later            the session ends as reused, like that of any superseded token
//	spent (blacklisted)        ErrEnded
//
// What was seen is kept until the token's own end, apart from the session: that
// may be over and its row gone long before.
type Exchange struct {
	ID        Digest       // SpentID of the token's id
	Token     RefreshToken // ForeignToken of what only its holder has
	User      string       // whose it is: User.ForeignID
	IssuedAt  time.Time    // by the other system's clock; zero: it does not say
	ExpiresAt time.Time    // the foreign token's
	Mark      string       // of the password it was issued for (PasswordMark); empty: it says nothing of one

	Client           int64
	Scope            []string
	Audience         []string
	AbsoluteLifetime time.Duration
	IdleLifetime     time.Duration
	Nonce            Nonce // drawn for this request, used if a session begins
	Address          string
	Device           string
	Now              time.Time
}

// ForeignSkew is how far the clock of the other system may be ahead of ours.
const ForeignSkew = 2 * time.Minute

// Exchanged is the Outcome of an exchange that began a session.
const Exchanged Outcome = "exchanged"

const (
	foreignLabel = "hallmark foreign refresh token v1"
	spentLabel   = "hallmark spent token v1 "
)

// ForeignToken is what a refresh token of another system is to the ratchet: the
// one before a session's first. It is computed from a secret that only the
// holder of the foreign token has, such as its signature, so the store cannot
// lead to it, and nor can it alone to the first one of the session.
func ForeignToken(secret []byte) (RefreshToken, error) {
	var b tokenBytes
	key, err := hkdf.Key(sha256.New, secret, nil, foreignLabel, len(b.selector)+len(b.secret))
	if err != nil {
		return RefreshToken{}, fmt.Errorf("derive a refresh token: %w", err)
	}
	copy(b.secret[:], key[copy(b.selector[:], key):])
	for b.token(0).SessionID().String()[0] == '-' { // as in NewRefreshToken
		b.selector[0]++
	}
	return b.token(0), nil
}

// SpentID is what is kept of a foreign token's id.
func SpentID(id string) Digest { return sha256.Sum256([]byte(spentLabel + id)) }

// PasswordMark is what Simple JWT says in a token of the hash that the user had
// then (CHECK_REVOKE_TOKEN).
func PasswordMark(hash string) string {
	sum := md5.Sum([]byte(hash))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// A Spent is a foreign token that is not taken any more, or only as a retry.
type Spent struct {
	ID        Digest
	Session   SessionID // that it began; zero: none, it was blacklisted
	ExpiresAt time.Time
	User      uuid.UUID // whose it is, for the record; not kept
}

// RemovableAt reports whether the token is refused for its age alone, by any
// clock that is not a day wrong.
func (t Spent) RemovableAt(now time.Time) bool { return now.Sub(t.ExpiresAt) >= KeepEnded }

// Spends is what is kept of the exchange.
func (e Exchange) Spends() Spent {
	return Spent{ID: e.ID, Session: e.Token.SessionID(), ExpiresAt: whole(e.ExpiresAt)}
}

// Again is the refresh that an exchange comes to when the token was seen before.
func (e Exchange) Again() Refresh {
	return Refresh{Token: e.Token, Client: e.Client, Nonce: e.Nonce, Address: e.Address, Now: e.Now}
}

// May reports whether the token may begin a session of the user's in the client.
// ErrEnded: it may be from before the user's sessions were ended, or from before
// another password.
func (e Exchange) May(u User, c Client) error {
	switch {
	case u.Disabled:
		return ErrDisabled
	// A clock that is fast must not put it past the end: who signs in there
	// within the skew after it signs in here as well.
	case !u.NotBefore.IsZero() && e.IssuedAt.Before(u.NotBefore.Add(ForeignSkew)):
		return ErrEnded
	// A hash that became ours at a sign-in is of the password that was imported,
	// which the token's need not be: only the imported hash itself can tell.
	case e.Mark != "" && (ImportDigest(u.PasswordHash) != u.Imported || e.Mark != PasswordMark(u.PasswordHash)):
		return ErrEnded
	case !slices.Contains(c.Grants, GrantRefreshToken):
		return ErrGrant
	}
	return nil
}

// Begin is the answer to an exchange that begins a session, and the session to
// store. It is as if the foreign token had been the session's first one and had
// been rotated at this moment.
func (e Exchange) Begin(u User, c Client, at ServiceTime) (Refreshed, error) {
	if err := e.May(u, c); err != nil {
		return Refreshed{User: u, Client: c}, err
	}
	now, next := whole(e.Now), e.Token.successor(e.Nonce)
	s := Session{
		ID: e.Token.SessionID(), User: u.ID, Client: c.Number, Scope: e.Scope, Audience: e.Audience,
		AuthTime: whole(e.IssuedAt), ExpiresAt: whole(now.Add(e.AbsoluteLifetime)), IdleLifetime: e.IdleLifetime.Truncate(time.Microsecond),
		LastUsedAt: now, LastAddress: e.Address, Device: e.Device,
		Ratchet: Ratchet{Generation: next.generation, Current: next.digest(), Previous: e.Token.digest(), Nonce: e.Nonce, RotatedAt: at},
	}
	return Refreshed{
		Outcome: Exchanged, Token: next, Scope: e.Scope, Audience: e.Audience, User: u.came(now), Client: c, Session: s,
	}, nil
}

// came is the user once a session began.
func (u User) came(now time.Time) User {
	if u.CameAt.IsZero() {
		u.CameAt = whole(now)
	}
	return u
}

// ended is the user once all sessions were ended. A clock that is set back brings
// nothing back.
func (u User) ended(now time.Time) User {
	if now = whole(now); now.After(u.NotBefore) {
		u.NotBefore = now
	}
	return u
}

// HasCome reports whether somebody who was imported has been here: a session
// began, or the password is no longer the one of the other system.
func (u User) HasCome() bool {
	return !u.CameAt.IsZero() || u.Imported != (Digest{}) && u.PasswordHash != "" && ImportDigest(u.PasswordHash) != u.Imported
}
