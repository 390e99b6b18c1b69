package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"
)

// A UserChange is what one act changes of a user. A nil member leaves what it
// names as it is.
//
// ImportHash is a hash from another system. The one that was imported last
// changes nothing, whatever the password is now, so that an import can be run
// again; any other becomes the user's, and is a new password unless the user
// has that hash already.
type UserChange struct {
	Name         *string
	PasswordHash *string // a new password: the user's sessions end
	ImportHash   *string // goes before PasswordHash
	Disabled     *bool   // true: the user's sessions end
	Claims       *UserClaims
	ForeignID    *string // empty: none any more

	// The change happens only if these are the user's.
	If       *string     // hash
	IfClaims *UserClaims // as they were read

	Keep SessionID // goes on when the user's others end; zero: none
	Now  time.Time // when they end
}

// Apply returns the user after the change, and why the user's sessions end
// with it: empty if they go on. ErrConflict when If or IfClaims does not hold.
func (c UserChange) Apply(u User) (User, EndReason, error) {
	if c.If != nil && *c.If != u.PasswordHash || c.IfClaims != nil && !sameJSON(*c.IfClaims, u.Claims) {
		return u, "", ErrConflict
	}
	var why EndReason
	if c.ImportHash != nil {
		imported := ImportDigest(*c.ImportHash)
		if imported != u.Imported { // no secret: whoever imports knows both
			if *c.ImportHash != u.PasswordHash {
				why = EndedPassword
			}
			u.PasswordHash, u.Imported = *c.ImportHash, imported
		}
	}
	if c.PasswordHash != nil {
		u.PasswordHash, why = *c.PasswordHash, EndedPassword
	}
	if c.Disabled != nil {
		if u.Disabled = *c.Disabled; u.Disabled {
			why = EndedDisabled
		}
	}
	set(&u.Name, c.Name)
	set(&u.Claims, c.Claims)
	set(&u.ForeignID, c.ForeignID)
	if why != "" {
		u = u.ended(c.Now)
	}
	return u, why, nil
}

// sameJSON reports whether two values are stored alike.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// ImportDigest is what User.Imported remembers of an imported hash.
func ImportDigest(hash string) Digest { return sha256.Sum256([]byte(hash)) }

// MaxSecrets is how many secrets a client may have at a time: the one in use
// and the one that replaces it.
const MaxSecrets = 2

// A ClientChange is what one act changes of a client. A zero member leaves
// what it names as it is.
type ClientChange struct {
	Name      *string
	Policy    *ClientPolicy
	AddSecret *Digest
	DropOld   bool // every secret but the newest, after AddSecret

	IfPolicy *ClientPolicy // the change happens only if this is the client's, as it was read
}

// Apply returns the client after the change. ErrConflict for a secret that is
// one too many, or for a client that has none, and when IfPolicy does not hold.
func (c ClientChange) Apply(to Client) (Client, error) {
	secrets := slices.Clone(to.Secrets)
	if c.AddSecret != nil {
		secrets = append(secrets, *c.AddSecret)
	}
	if c.DropOld && len(secrets) > 0 {
		secrets = secrets[len(secrets)-1:]
	}
	switch {
	case c.IfPolicy != nil && !sameJSON(*c.IfPolicy, to.ClientPolicy):
		return to, ErrConflict
	case (c.AddSecret != nil || c.DropOld) && to.AuthMethod == AuthNone:
		return to, ErrConflict
	case c.AddSecret != nil && len(secrets) > MaxSecrets:
		return to, ErrConflict
	}
	set(&to.Name, c.Name)
	set(&to.ClientPolicy, c.Policy)
	to.Secrets = secrets
	return to, nil
}
