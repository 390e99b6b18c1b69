// Package storagetest is the one suite that every backend must pass, and the
// Model: a backend in memory that is the suite's oracle and a fake for tests.
//
// A backend's own test opens an empty store and calls Run:
//
//	func TestSuite(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storagetest.Fixture { … })
//	}
//
// The suite knows a store by its verbs alone. A session is looked at by a
// refresh in the name of no client, which is refused with the row as it is.
package storagetest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// Users are created and found.
type Users interface {
	// CreateUser reports ErrConflict when the id, the name or the foreign id is taken.
	CreateUser(ctx context.Context, u storage.User) error
	// UserByName compares exactly; ErrNotFound.
	UserByName(ctx context.Context, name string) (storage.User, error)
	UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) // ErrNotFound
	// UserByForeignID compares exactly; ErrNotFound, also for the empty id.
	UserByForeignID(ctx context.Context, id string) (storage.User, error)
}

// Standing is what becomes of a user. Each verb reports ErrNotFound for an
// unknown one.
type Standing interface {
	// ChangeUser does what UserChange.Apply says, and returns the user as it is
	// then. When sessions end with it, so does every one of the user that has
	// not ended, also one that is expired: the clock that says so may be wrong.
	// ErrConflict when the name or the foreign id is somebody else's.
	ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (after storage.User, ended int, err error)
	// Rehash reports ErrConflict when the hash is no longer the old one. It ends nothing.
	Rehash(ctx context.Context, user uuid.UUID, old, new string) error
	// RemoveUser removes every session of the user too, ended ones as well, and tells how many.
	RemoveUser(ctx context.Context, user uuid.UUID) (sessions int, err error)
}

// Clients are created, found, changed and removed.
type Clients interface {
	// CreateClient returns the client with the number it was given, above 0;
	// ErrConflict when the id is taken.
	CreateClient(ctx context.Context, c storage.Client) (storage.Client, error)
	// ClientByID compares exactly; ErrNotFound.
	ClientByID(ctx context.Context, id string) (storage.Client, error)
	// ChangeClient does what ClientChange.Apply says; ErrNotFound, ErrConflict.
	ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error)
	// RemoveClient reports ErrNotFound. The client's sessions are in no list
	// then, refreshing one reports ErrNotFound, and SweepSessions removes them
	// however young. Its number is never given again.
	RemoveClient(ctx context.Context, id string) error
}

// Sessions are opened, refreshed and, when they are over, removed.
type Sessions interface {
	// CreateSession reports what storage.NewSession says, and ErrConflict for
	// a token that is in use. The first of a user's is User.CameAt.
	CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error)
	// RotateSession reads the session that the token names (ErrNotFound), that
	// session's user and client, and the service time in one transaction, and
	// returns what Refresh.Decide says of them, with an error as well.
	RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error)
	// SweepSessions looks at the limit sessions after an id and removes those
	// that are RemovableAt now, or whose client was removed. next is where to go on; zero at the end.
	SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (next storage.SessionID, removed int, err error)
}

// Exchanges take refresh tokens of another system for sessions here, once each.
type Exchanges interface {
	// ExchangeToken does what storage.Exchange says, in one transaction. A token
	// that was not seen before is of the user with that foreign id, of a client
	// that is there (ErrNotFound), and returns what Exchange.Begin says, with an
	// error as well; the token and the session are kept, or neither. One that was
	// seen returns what RotateSession would of Exchange.Again, and ErrEnded where
	// the session is not there any more or the token began none.
	ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error)
	SpentToken(ctx context.Context, id storage.Digest) (storage.Spent, error) // ErrNotFound
	// SpendTokens adds the tokens that are not there yet, and tells how many.
	SpendTokens(ctx context.Context, tokens ...storage.Spent) (added int, err error)
	// SweepSpent removes at most limit that are RemovableAt now.
	SweepSpent(ctx context.Context, limit int, now time.Time) (removed int, err error)
}

// Lists are for people to look at. Sessions of a removed client are in none.
type Lists interface {
	// Users returns at most limit users whose names come after one, in the
	// order of their bytes.
	Users(ctx context.Context, after string, limit int) ([]storage.User, error)
	// Clients returns all, in the order of the bytes of their ids.
	Clients(ctx context.Context) ([]storage.Client, error)
	// UserSessions returns at most limit of a user's sessions, by id.
	UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error)
	// Sessions returns at most limit sessions whose ids come after one, by id.
	Sessions(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error)
}

// Ends are how people end sessions. Those of a removed client are not there.
type Ends interface {
	// SessionByID returns the session with its user's and its client's names
	// as they are now; ErrNotFound.
	SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error)
	// EndSession returns the session as it is then; ErrNotFound. What has ended stays as it ended.
	EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error)
	// EndSessions ends a user's sessions that have not ended, also expired
	// ones, but one to keep (zero: none). An unknown user has none. User.NotBefore
	// is never before that time then.
	EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (ended int, err error)
	// EndMatching looks at the limit sessions after an id, those of one user if
	// the match names one, and ends those that match while it ends them. next is
	// where to go on; zero at the end.
	EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (next storage.SessionID, ended []storage.SessionID, err error)
}

// OperatorTokens are the programs that may act as operators.
type OperatorTokens interface {
	CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error             // ErrConflict when the name or the digest is taken
	OperatorToken(ctx context.Context, d storage.Digest) (storage.OperatorToken, error) // ErrNotFound; expired ones are found
	OperatorTokens(ctx context.Context) ([]storage.OperatorToken, error)                // by name
	RemoveOperatorToken(ctx context.Context, name string) error                         // ErrNotFound
}

// Ring is the sealed key ring.
type Ring interface {
	// LoadRing reports ErrNotFound when there is none yet.
	LoadRing(ctx context.Context) (sealed []byte, v storage.Version, err error)
	// ReplaceRing reports ErrConflict unless the stored version is old (0:
	// none yet) and next is above it.
	ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error
}

// Audit is the record of what was done. A verb that changes something records
// it itself, by who acts under its context, or changes nothing.
type Audit interface {
	// Record adds records at the end, all or none.
	Record(ctx context.Context, records ...storage.Record) error
	// Records returns those of a span, the oldest first.
	Records(ctx context.Context, s storage.Span) ([]storage.Record, error)
	// SweepRecords removes what Retention.Removable says of each kind's limit
	// oldest, and tells how many that were.
	SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (removed int, err error)
}

// Replicas are the processes that serve, each reported by itself.
type Replicas interface {
	// ReportReplica keeps the record in the place of the one of that id, seen at
	// the service time of now, whatever Seen says. It removes those that are
	// ForgottenAt that time, and of more than MaxReplicas those seen longest
	// ago, of two seen at once the one whose id comes first.
	ReportReplica(ctx context.Context, r storage.Replica) error
	Replicas(ctx context.Context) ([]storage.Replica, error) // by id
	RemoveReplica(ctx context.Context, id uuid.UUID) error   // ErrNotFound
}

// Service is the store as such.
type Service interface {
	// ServiceTime begins at 1 in a new store.
	ServiceTime(ctx context.Context) (storage.ServiceTime, error)
	// Check reports whether the store can read and write now.
	Check(ctx context.Context) error
	// Close may be called twice. Every other verb reports ErrUnavailable afterwards.
	Close() error
}

// A Backend is everything that a store can do. A verb whose context has ended
// before it began does nothing and reports the context's error; one whose
// context ends meanwhile may have happened or not. Empty lists may come back
// as nil. Only tests need a Backend: a package that uses a store declares the
// few verbs it calls.
type Backend interface {
	Users
	Standing
	Clients
	Sessions
	Exchanges
	Lists
	Ends
	OperatorTokens
	Ring
	Replicas
	Audit
	Service
}

// A Fixture is a new, empty store with what a test does to it beside its
// verbs. Whoever makes it sees to its end (t.Cleanup); the suite may close it
// before.
type Fixture struct {
	Backend

	// Reopen closes the store and opens it again on what it has kept, as
	// another process would. The Backend before is not used any more.
	Reopen func() Backend

	// AddService makes the store's service time d later, at once.
	AddService func(d time.Duration)
}

// Run runs the suite. Each case opens a store of its own, and cases run in parallel.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, group := range []struct {
		name  string
		cases map[string]func(*store)
	}{
		{"users", userCases()},
		{"standing", standingCases()},
		{"clients", clientCases()},
		{"sessions", sessionCases()},
		{"changes", changeCases()},
		{"changes of clients", clientChangeCases()},
		{"removals", removalCases()},
		{"lists", listCases()},
		{"matching", matchingCases()},
		{"operator tokens", operatorCases()},
		{"refresh", refreshCases()},
		{"exchange", exchangeCases()},
		{"sweep", sweepCases()},
		{"ring", ringCases()},
		{"replicas", replicaCases()},
		{"audit", auditCases()},
		{"service", serviceCases()},
		{"races", raceCases()},
		{"races of operators", operatorRaces()},
		{"batches", batchCases()},
		{"contexts", contextCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(group.cases)) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					group.cases[name](newStore(t, open))
				})
			}
		})
	}
	t.Run("histories", func(t *testing.T) {
		t.Parallel()
		histories(t, open)
	})
	t.Run("lives", func(t *testing.T) {
		t.Parallel()
		liveHistories(t, open)
	})
}
