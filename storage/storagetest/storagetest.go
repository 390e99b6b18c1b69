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

// Users are created, found and listed.
type Users interface {
	// CreateUser reports ErrConflict when the id, the name or the foreign id is taken.
	CreateUser(ctx context.Context, u storage.User) error
	// UserByName compares exactly; ErrNotFound.
	UserByName(ctx context.Context, name string) (storage.User, error)
	// Users returns at most limit users whose names come after one, in the
	// order of their bytes.
	Users(ctx context.Context, after string, limit int) ([]storage.User, error)
}

// Standing is what decides whether a user may sign in. Each verb reports
// ErrNotFound for an unknown user.
type Standing interface {
	// SetPassword ends every session of the user that has not ended, also one
	// that is expired: the clock that says so may be wrong.
	SetPassword(ctx context.Context, user uuid.UUID, hash string, now time.Time) (ended int, err error)
	// Rehash reports ErrConflict when the hash is no longer the old one. It ends nothing.
	Rehash(ctx context.Context, user uuid.UUID, old, new string) error
	// SetDisabled ends sessions like SetPassword if it disables; enabling brings none back.
	SetDisabled(ctx context.Context, user uuid.UUID, disabled bool, now time.Time) (ended int, err error)
}

// Clients are created, found and listed.
type Clients interface {
	// CreateClient returns the client with the number it was given, above 0;
	// ErrConflict when the id is taken.
	CreateClient(ctx context.Context, c storage.Client) (storage.Client, error)
	// ClientByID compares exactly; ErrNotFound.
	ClientByID(ctx context.Context, id string) (storage.Client, error)
	// Clients returns all, in the order of the bytes of their ids.
	Clients(ctx context.Context) ([]storage.Client, error)
}

// Sessions are opened, refreshed and, when they are over, removed.
type Sessions interface {
	// CreateSession reports what storage.NewSession says, and ErrConflict for
	// a token that is in use.
	CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error)
	// RotateSession reads the session that the token names (ErrNotFound), that
	// session's user and client, and the service time in one transaction, and
	// returns what Refresh.Decide says of them, with an error as well.
	RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error)
	// SweepSessions looks at the limit sessions after an id and removes those
	// that are RemovableAt now. next is where to go on; zero at the end.
	SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (next storage.SessionID, removed int, err error)
}

// Ring is the sealed key ring.
type Ring interface {
	// LoadRing reports ErrNotFound when there is none yet.
	LoadRing(ctx context.Context) (sealed []byte, v storage.Version, err error)
	// ReplaceRing reports ErrConflict unless the stored version is old (0:
	// none yet) and next is above it.
	ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error
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
	Ring
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
		{"refresh", refreshCases()},
		{"sweep", sweepCases()},
		{"ring", ringCases()},
		{"service", serviceCases()},
		{"races", raceCases()},
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
}
