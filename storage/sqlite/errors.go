package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// outcome reports whether an error comes with something to commit.
func outcome(err error) bool {
	return errors.Is(err, storage.ErrReused) || errors.Is(err, storage.ErrBehind)
}

// domain reports whether a verb itself said no.
func domain(err error) bool {
	return slices.ContainsFunc([]error{
		storage.ErrNotFound, storage.ErrConflict, storage.ErrDisabled,
		storage.ErrExpired, storage.ErrEnded, storage.ErrClient, storage.ErrGrant,
		storage.ErrScope, storage.ErrResource, storage.ErrReused, storage.ErrBehind,
		sqlstore.ErrRecord,
	}, func(known error) bool { return errors.Is(err, known) })
}

// contained reports whether an error concerns one operation and leaves its
// transaction whole. Anything unknown does not.
func contained(err error) bool {
	return domain(err) || code(err) == sqlite3.ErrConstraint
}

func code(err error) sqlite3.ErrNo {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// busy reports whether somebody else holds the lock that was wanted.
func busy(err error) bool {
	switch code(err) {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return true
	}
	return false
}

// fault turns an engine's error into one that callers can ask about: a verb's
// own answers stay, what a retry may overcome is storage.ErrUnavailable.
func fault(err error) error {
	switch {
	case err == nil, domain(err), errors.Is(err, storage.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case busy(err), errors.Is(err, errRolledBack):
		return unavailable(err)
	}
	switch code(err) {
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrNomem, sqlite3.ErrInterrupt,
		sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrAbort:
		return unavailable(err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("storage/sqlite: the database is damaged: restore a backup: %w", err)
	}
	return fmt.Errorf("storage/sqlite: %w", err)
}

func unavailable(err error) error {
	return fmt.Errorf("storage/sqlite: %w: %w", storage.ErrUnavailable, err)
}
