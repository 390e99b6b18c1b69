package interop

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const guidePath = "../../docs/migrating-from-simplejwt.md"

// A guide is docs/migrating-from-simplejwt.md: what its sections, by heading,
// have operators do.
type guide struct {
	text     string
	sections map[string][]act
}

// An act is a fenced block: a shell's lines, or what comes into a file.
type act struct {
	file  string // empty: lines for a shell
	after bool   // what is in the file stays, in front
	text  string
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	into  = regexp.MustCompile("(?m)^.*\\b(Write|Add to the end of) `(/[^`]+)`:\n\n\\z")
)

// readGuide finds what the document has people do. There is no block but those
// that it runs: one that is for reading only could say anything.
func readGuide(t *testing.T) guide {
	t.Helper()
	g := guide{text: read(t, guidePath), sections: map[string][]act{}}
	parts := regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatchIndex(g.text, -1)
	for i, p := range parts {
		end := len(g.text)
		if i+1 < len(parts) {
			end = parts[i+1][0]
		}
		heading, body := g.text[p[2]:p[3]], g.text[p[1]:end]
		for _, b := range fence.FindAllStringSubmatchIndex(body, -1) {
			a := act{text: body[b[4]:b[5]]}
			if body[b[2]:b[3]] != "sh" {
				where := into.FindStringSubmatch(body[:b[0]])
				if where == nil {
					t.Fatalf("%s: nothing says where this goes:\n%s", heading, a.text)
				}
				a.file, a.after = where[2], where[1] != "Write"
			}
			g.sections[heading] = append(g.sections[heading], a)
		}
	}
	return g
}

// A follower does what a guide says, at a place that stands for the machine that
// it speaks of.
type follower struct {
	guide
	names *strings.Replacer // what the guide calls things, and what they are here
	dir   string
	env   []string
	shell string // what the shell of operators has beside that
	typed string // what operators type when they are asked
	did   map[string]bool
	units chan unitCall
	unit  func(t *testing.T, verb, unit string) // what systemctl does
}

// A unitCall is systemctl, waiting for what it asked for.
type unitCall struct {
	verb, unit string
	done       chan struct{}
}

// follow does a section of the guide, in a shell of its own: the next may be done
// on another day. It returns what the shell wrote.
func (f *follower) follow(t *testing.T, heading string) string {
	t.Helper()
	acts := f.sections[heading]
	if len(acts) == 0 {
		t.Fatalf("%q has nothing to do, among %q", heading, slices.Sorted(maps.Keys(f.sections)))
	}
	f.did[heading] = true
	var script strings.Builder
	script.WriteString("set -euo pipefail\n" + f.shell)
	for i, a := range acts {
		text := f.names.Replace(a.text)
		if a.file == "" {
			script.WriteString("set -v\n" + text + "set +v\n")
			continue
		}
		// The files come in their turn among the shell's lines.
		held := filepath.Join(f.dir, fmt.Sprintf("block-%d", i))
		write(t, held, text)
		fmt.Fprintf(&script, "cat %s %s %s\n", held, map[bool]string{true: ">>", false: ">"}[a.after], f.names.Replace(a.file))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env, cmd.WaitDelay = f.dir, append(os.Environ(), f.env...), 5*time.Second
	cmd.Stdin = strings.NewReader(f.typed)
	var out []byte
	ended := make(chan error, 1)
	go func() {
		var err error
		out, err = cmd.CombinedOutput()
		ended <- err
	}()
	for {
		select {
		case c := <-f.units:
			f.unit(t, c.verb, c.unit)
			close(c.done)
		case err := <-ended:
			if err != nil {
				t.Fatalf("%s: %v\n%s", heading, err, out)
			}
			return string(out)
		}
	}
}

// all checks that no section was left out.
func (f *follower) all(t *testing.T) {
	t.Helper()
	for heading := range f.sections {
		if !f.did[heading] {
			t.Errorf("nobody did what %q says", heading)
		}
	}
}
