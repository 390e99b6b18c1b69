package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/hallmark-auth/hallmark/storage"
)

// maxLine bounds a secret that is read; packages that use it have their own
// limits, below this one.
const maxLine = 64 << 10

// terminal is standard input where a person sits in front of it.
func (p *process) terminal() (tty *os.File, ok bool) {
	tty, ok = p.stdin.(*os.File)
	return tty, ok && term.IsTerminal(int(tty.Fd()))
}

// readPassword asks for a password without echo if standard input is a
// terminal, and else takes the first line of standard input. A new password is
// asked for twice.
func (p *process) readPassword(ctx context.Context, prompt string, isNew bool) (storage.Secret, error) {
	tty, ok := p.terminal()
	if !ok {
		return firstLine(p.stdin, "standard input")
	}
	pw, err := p.ask(ctx, tty, prompt+": ")
	if err != nil || !isNew {
		return storage.NewSecret(pw), err
	}
	again, err := p.ask(ctx, tty, "The same again: ")
	switch {
	case err != nil:
		return storage.Secret{}, err
	case pw != again:
		return storage.Secret{}, usage("the two differ; nothing was changed, try again")
	}
	return storage.NewSecret(pw), nil
}

// ask reads a line without echo. When ctx ends first, the terminal gets its
// echo back before the process goes.
func (p *process) ask(ctx context.Context, tty *os.File, prompt string) (string, error) {
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	fmt.Fprint(p.stderr, printable(prompt))
	defer fmt.Fprintln(p.stderr)
	type line struct {
		text []byte
		err  error
	}
	done := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		done <- line{text, err}
	}()
	select {
	case l := <-done:
		switch {
		case l.err != nil:
			return "", fmt.Errorf("read from the terminal: %w", l.err)
		case len(l.text) == 0:
			return "", usage("nothing was typed")
		}
		return string(l.text), nil
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

// firstLine reads a secret: the first line without its line break.
func firstLine(r io.Reader, where string) (storage.Secret, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine+1)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return storage.Secret{}, fmt.Errorf("read %s: %w", where, err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	switch {
	case line == "":
		return storage.Secret{}, usage("%s is empty; its first line is to be the password or secret", where)
	case len(line) > maxLine:
		return storage.Secret{}, usage("the first line of %s is too long for a password or secret", where)
	}
	return storage.NewSecret(line), nil
}

// secretFile reads a secret from the first line of a file.
func secretFile(path string) (storage.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return storage.Secret{}, usage("%w", err)
	}
	defer f.Close()
	return firstLine(f, path)
}
