package operator

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// Users keeps the users.
type Users interface {
	Accounts
	UserList
}

// Accounts changes users one at a time.
type Accounts interface {
	CreateUser(ctx context.Context, u storage.User) error
	ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (after storage.User, ended int, err error)
	RemoveUser(ctx context.Context, user uuid.UUID) (sessions int, err error)
}

// UserList reads users.
type UserList interface {
	UserByID(ctx context.Context, id uuid.UUID) (storage.User, error)
	UserByName(ctx context.Context, name string) (storage.User, error)
	UserByForeignID(ctx context.Context, id string) (storage.User, error)
	// Users returns up to limit users by name, those after a name.
	Users(ctx context.Context, after string, limit int) ([]storage.User, error)
}

// Clients keeps the clients.
type Clients interface {
	Registrations
	ClientList
}

// Registrations changes clients one at a time.
type Registrations interface {
	CreateClient(ctx context.Context, c storage.Client) (storage.Client, error)
	ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error)
	RemoveClient(ctx context.Context, id string) error
}

// ClientList reads clients.
type ClientList interface {
	ClientByID(ctx context.Context, id string) (storage.Client, error)
	Clients(ctx context.Context) ([]storage.Client, error)
}

// Sessions keeps the sessions.
type Sessions interface {
	Endings
	SessionList
}

// Endings ends sessions.
type Endings interface {
	EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error)
	// EndSessions ends a user's sessions but one to keep; zero: none.
	EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (ended int, err error)
	// EndMatching looks at the limit sessions after one, of one user if the match
	// names one, and ends those that match. next: where to go on; zero at the end.
	EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (next storage.SessionID, ended []storage.SessionID, err error)
}

// SessionList reads sessions.
type SessionList interface {
	SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error)
	UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error)
	// Sessions returns up to limit sessions by id, those after one.
	Sessions(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error)
}

// Tokens keeps the tokens of programs that act as operators.
type Tokens interface {
	CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error
	OperatorToken(ctx context.Context, d storage.Digest) (storage.OperatorToken, error)
	OperatorTokens(ctx context.Context) ([]storage.OperatorToken, error)
	RemoveOperatorToken(ctx context.Context, name string) error
}

// Spent keeps the tokens of another system that are not taken.
type Spent interface {
	SpentToken(ctx context.Context, id storage.Digest) (storage.Spent, error)
	SpendTokens(ctx context.Context, tokens ...storage.Spent) (added int, err error)
}

// Audit is the record of what was done.
type Audit interface {
	// Record adds what no verb of the store records by itself.
	Record(ctx context.Context, records ...storage.Record) error
	Records(ctx context.Context, s storage.Span) ([]storage.Record, error)
}

// Hasher hashes and verifies passwords, slowly and in bounded memory;
// *password.Pool does.
type Hasher interface {
	Hash(ctx context.Context, password storage.Secret) (string, error)
	Verify(ctx context.Context, encoded string, pw storage.Secret, admit func() error) (password.Result, error)
}
