package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestChangesTogether: of what commands say they did at the same time, all is
// done; the others say that somebody was faster.
func TestChangesTogether(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("", "user", "add", "alice", "--no-password", "--role=admin")
	d.ok("", "client", "add", "--id=web", "--audience=api", "--scope=read")
	for round := range 5 {
		commands := map[string][]string{}
		for i := range 4 {
			name := fmt.Sprintf("c%d-%d", round, i)
			commands[name] = []string{"user", "claims", "alice", "--claim=" + name + "=x"}
		}
		lifetime := fmt.Sprintf("%dm0s", round+2)
		commands[lifetime] = []string{"client", "change", "web", "--access-lifetime=" + lifetime}
		commands["reader"+lifetime] = []string{"client", "change", "web", "--claim=reader" + lifetime}
		var mu sync.Mutex
		var wg sync.WaitGroup
		done := map[string]string{}
		for name, args := range commands {
			wg.Go(func() {
				r := d.run("", args...)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.code == exitOK:
					done[name] = args[0]
				case r.code != exitConflict || !strings.Contains(r.err, "try again"):
					t.Errorf("%q ended with %d: %s", args, r.code, r.err)
				}
			})
		}
		wg.Wait()
		now := map[string]string{"user": d.ok("", "user", "claims", "alice"), "client": d.ok("", "client", "show", "web")}
		for name, of := range done {
			if !strings.Contains(now[of], name) {
				t.Errorf("%s was done and is gone: %s", name, now[of])
			}
		}
		if len(done) < 2 {
			t.Errorf("hardly anything was done: %v", done)
		}
	}
}
