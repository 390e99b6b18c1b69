// Package operator is what an operator does, free of HTTP: the same acts serve
// the command line and an admin API.
//
// An act checks what it was given and reports every problem at once (Invalid),
// does its work through one verb of the store or one edit of the key ring, and
// writes one log record that says who did what. No secret gets into a record
// or an error; a generated client secret is returned once and never again.
//
// Beside Invalid, acts report the storage package's errors: ErrNotFound,
// ErrConflict, ErrUnavailable; acts on keys, those of the keys package too.
package operator

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// An Operator acts on one store. All fields but Now are needed by some act;
// one that is not used may be left out.
type Operator struct {
	Users     Users
	Clients   Clients
	Keys      Keys
	Passwords Hasher
	Log       *slog.Logger
	By        string           // who acts, for the log: "cli", an administrator's name
	Now       func() time.Time // the wall clock; time.Now if nil
}

// Users keeps the users.
type Users interface {
	Accounts
	UserList
}

// Accounts changes users one at a time.
type Accounts interface {
	CreateUser(ctx context.Context, u storage.User) error
	UserByName(ctx context.Context, name string) (storage.User, error)
	ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (after storage.User, ended int, err error)
}

// UserList reads users page by page.
type UserList interface {
	// Users returns up to limit users by name, those after a name.
	Users(ctx context.Context, after string, limit int) ([]storage.User, error)
}

// Clients keeps the clients.
type Clients interface {
	CreateClient(ctx context.Context, c storage.Client) (storage.Client, error)
	ClientByID(ctx context.Context, id string) (storage.Client, error)
	Clients(ctx context.Context) ([]storage.Client, error)
}

// Hasher hashes passwords, slowly and in bounded memory.
type Hasher interface {
	Hash(ctx context.Context, password storage.Secret) (string, error)
}

// A Problem is one thing wrong with what an act was given.
type Problem struct {
	Field  string // as in the records' JSON: "default_scopes"
	Advice string // what is wrong and what to write instead
}

// Invalid is reported for input that was refused before anything was done.
type Invalid []Problem

// Error lists the problems on one line.
func (i Invalid) Error() string {
	lines := make([]string, len(i))
	for n, p := range i {
		lines[n] = p.Field + ": " + p.Advice
	}
	return strings.Join(lines, "; ")
}

// now is the wall clock at the store's resolution.
func (o *Operator) now() time.Time {
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Microsecond)
}

// record writes an act's one log record.
func (o *Operator) record(ctx context.Context, act string, attrs ...slog.Attr) {
	all := append([]slog.Attr{slog.String("act", act), slog.String("by", o.By)}, attrs...)
	o.Log.LogAttrs(ctx, slog.LevelInfo, "operator", all...)
}
