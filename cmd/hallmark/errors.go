package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// The exit codes; the package comment says what they mean.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitNotFound
	exitConflict
	exitUnusable
	exitUnverified
)

// A failure is an error with an exit code of its own.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// fail returns an error that ends the program with a code.
func fail(code int, format string, args ...any) error {
	return failure{code, fmt.Errorf(format, args...)}
}

func usage(format string, args ...any) error { return fail(exitUsage, format, args...) }

// errShown ends the program with exitUnverified after everything was said on
// standard output.
var errShown error = failure{exitUnverified, errors.New("verification failed")}

// exitCode finds the code for how a run ended.
func exitCode(err error) int {
	var f failure
	var invalid operator.Invalid
	switch {
	case err == nil, errors.Is(err, errHelp):
		return exitOK
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &invalid), errors.Is(err, keys.ErrNotBehind):
		return exitUsage
	case errors.Is(err, storage.ErrNotFound):
		return exitNotFound
	case errors.Is(err, storage.ErrConflict):
		return exitConflict
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, keys.ErrBehind), errors.Is(err, keys.ErrWrongKey),
		errors.Is(err, keys.ErrCorrupt), errors.Is(err, keys.ErrMark), errors.Is(err, keys.ErrElsewhere):
		return exitUnusable
	}
	return exitFailure
}

// explain adds to an error that comes from below what to do about it.
func explain(err error) string {
	var f failure
	var conflict operator.Conflict
	switch {
	case errors.As(err, &f), errors.As(err, &conflict): // says it itself
		return err.Error()
	case errors.Is(err, context.Canceled):
		return "interrupted; nothing was done after that"
	case errors.Is(err, keys.ErrWrongKey):
		return err.Error() + "; nothing was changed: give it with --kek-file, HALLMARK_KEK or --kek-command"
	case errors.Is(err, keys.ErrCorrupt):
		return err.Error() + "; nothing was changed: restore the store from a backup"
	case errors.Is(err, keys.ErrMark):
		return err.Error() + "; it must be readable and writable: name another file with --seen-file if that one cannot be"
	case errors.Is(err, keys.ErrElsewhere):
		return err.Error() + "; " + howToDevice
	case errors.Is(err, keys.ErrNotBehind):
		return err.Error() + "; if the host or the store leaked, so that no key of it may sign again, add --force"
	case errors.Is(err, storage.ErrNotFound):
		return err.Error() + "; the list commands show what there is"
	case errors.Is(err, storage.ErrConflict):
		return err.Error() + "; look with the list commands, then choose another name or try again"
	case errors.Is(err, storage.ErrUnavailable):
		return err.Error() + "; see whether its disk is full, its files may not be written or another process holds it, then try again"
	}
	return err.Error()
}

// oneLine keeps what is printed as an error on one line, which is no place to
// steer the terminal from either.
func oneLine(s string) string {
	return printable(strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }), "; "))
}

// printable keeps what comes from elsewhere from steering the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, s)
}
