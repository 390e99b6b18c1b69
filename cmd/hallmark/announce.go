package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
)

// What bounds the announcing of one key.
const (
	announceTime       = 60 * time.Second
	announceOutput     = 1024 // bytes that are logged
	announceAgainFirst = time.Second
	announceAgainMost  = 5 * time.Minute
)

// An announcer runs an operator's command for every key that signs or will, and
// again when that is at another time than was said: once in the life of the
// process if it succeeds, else until it does or the key signs no more. It works beside the server, which neither waits for it nor minds what
// it comes to.
type announcer struct {
	command string
	environ []string
	log     *slog.Logger
	ring    atomic.Pointer[keys.Ring] // the newest
	turned  chan struct{}             // filled while it was not looked at
	known   map[string]*announcement

	now   func() time.Time
	first time.Duration // before the second try
	limit time.Duration // of one run
}

// An announcement is how far a key has come.
type announcement struct {
	from  time.Time // when the key signs; another announcement if that changes
	done  bool
	tries int
	next  time.Time
}

func newAnnouncer(command string, environ []string, log *slog.Logger) *announcer {
	return &announcer{
		command: command, environ: withoutOurs(environ), log: log, turned: make(chan struct{}, 1), known: map[string]*announcement{},
		now: time.Now, first: announceAgainFirst, limit: announceTime,
	}
}

// withoutOurs is an environment without our settings: some are secrets, and a
// hallmark that the command runs is not to be taken for the server.
func withoutOurs(environ []string) (out []string) {
	for _, pair := range environ {
		if !strings.HasPrefix(pair, ourVariables) {
			out = append(out, pair)
		}
	}
	return out
}

// look takes a ring. It never waits.
func (a *announcer) look(ring keys.Ring) {
	a.ring.Store(&ring)
	select {
	case a.turned <- struct{}{}:
	default:
	}
}

// run announces the keys of the ring, one at a time, until ctx ends.
func (a *announcer) run(ctx context.Context) {
	if a.command == "" {
		return
	}
	for ctx.Err() == nil {
		due, wait := a.due()
		if due != nil {
			a.announce(ctx, *due)
			continue
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-a.turned:
		case <-again.C:
		}
		again.Stop()
	}
}

// due returns the next key to announce, or how long there is none.
func (a *announcer) due() (due *keys.Key, wait time.Duration) {
	now, wait := a.now(), time.Hour
	there := map[string]bool{}
	ring := a.ring.Load()
	if ring == nil {
		return nil, wait
	}
	for _, k := range ring.Published(now) {
		if k.Imported || !k.GoneAt.IsZero() { // it signs no more
			continue
		}
		there[k.ID] = true
		state := a.known[k.ID]
		if state == nil || !state.from.Equal(k.SignsFrom) {
			state = &announcement{from: k.SignsFrom}
			a.known[k.ID] = state
		}
		switch left := state.next.Sub(now); {
		case state.done:
		case left > 0:
			wait = min(wait, left)
		case due == nil:
			due = &k
		}
	}
	for kid := range a.known {
		if !there[kid] {
			delete(a.known, kid)
		}
	}
	return due, wait
}

func (a *announcer) announce(ctx context.Context, k keys.Key) {
	state := a.known[k.ID]
	state.tries++
	event := "announced"
	if !k.SignsFrom.After(a.now()) {
		event = "signing"
	}
	output, err := a.execute(ctx, k, event)
	attrs := []slog.Attr{slog.String("event", event), slog.String("kid", k.ID), slog.String("alg", string(k.Algorithm)),
		slog.Time("signs_from", k.SignsFrom), slog.Int("try", state.tries)}
	if err == nil {
		state.done = true
		a.log.LogAttrs(ctx, slog.LevelInfo, "announce command: done", attrs...)
		return
	}
	if ctx.Err() != nil {
		return // shutting down; the next process announces it
	}
	pause := min(a.first<<min(state.tries-1, 20), announceAgainMost)
	state.next = a.now().Add(pause)
	a.log.LogAttrs(ctx, slog.LevelError, "announce command: failed, it is tried again", append(attrs,
		slog.Any("error", err), slog.String("output", output), slog.Duration("again_in", pause))...)
}

// execute runs the command for a key.
func (a *announcer) execute(ctx context.Context, k keys.Key, event string) (output string, err error) {
	text, err := keys.PublicPEM(k.Public)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", a.command)
	cmd.Env = append(append([]string{}, a.environ...),
		"HALLMARK_EVENT="+event, "HALLMARK_KID="+k.ID, "HALLMARK_ALG="+string(k.Algorithm), "HALLMARK_SIGNS_FROM="+stamp(k.SignsFrom))
	out := &head{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), out, out
	cmd.WaitDelay = time.Second // for what the shell left behind
	endWithChildren(cmd)
	err = cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it was ended after %s", a.limit)
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it ended well, and left something behind
		err = nil
	}
	return out.text.String(), err
}

// head keeps the beginning of what is written, and takes the rest.
type head struct{ text bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.text.Write(p[:min(len(p), announceOutput-h.text.Len())])
	return len(p), nil
}
