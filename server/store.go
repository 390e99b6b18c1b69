package server

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// Store is what the endpoints need of a backend.
type Store interface {
	Users
	Clients
	Sessions
	Devices
	Exchanges
	Audit
}

// Users finds who signs in, and changes what they change themselves.
type Users interface {
	UserByName(ctx context.Context, name string) (storage.User, error)
	UserByID(ctx context.Context, id uuid.UUID) (storage.User, error)
	Rehash(ctx context.Context, user uuid.UUID, old, new string) error
	ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (after storage.User, ended int, err error)
}

// Clients finds who calls.
type Clients interface {
	ClientByID(ctx context.Context, id string) (storage.Client, error)
	Clients(ctx context.Context) ([]storage.Client, error)
}

// Sessions opens and refreshes sessions.
type Sessions interface {
	CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error)
	RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error)
	// ServiceTime is what the ratchet goes by.
	ServiceTime(ctx context.Context) (storage.ServiceTime, error)
}

// Exchanges take old refresh tokens of Simple JWT, each for one session.
type Exchanges interface {
	UserByForeignID(ctx context.Context, id string) (storage.User, error)
	ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error)
	SpentToken(ctx context.Context, id storage.Digest) (storage.Spent, error)
	SpendTokens(ctx context.Context, tokens ...storage.Spent) (added int, err error)
}

// Devices looks at sessions and ends them.
type Devices interface {
	SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error)
	UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error)
	EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error)
	// EndSessions ends a user's sessions but one to keep; zero: none.
	EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (ended int, err error)
}

// Audit takes records of what no verb records by itself.
type Audit interface {
	Record(ctx context.Context, records ...storage.Record) error
}

// Signer signs with the key of an algorithm's line that signs now.
type Signer interface {
	// Sign returns a compact JWS of the payload; alg "" is the ring's first
	// algorithm, and one whose line does not sign yet gets that too.
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
	Ring() keys.Ring
	// LookAgain adopts a ring that another process has just stored.
	LookAgain(ctx context.Context)
	// Derive returns keys for a use from the key-encryption keys: the first signs, any verifies.
	Derive(label string) []keys.Derived
	// Status is how the process stands with the ring, for /metrics.
	Status() keys.Status
}
