package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

var drawn = time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)

// aKey is a key whose moments are so long after drawn; none stands for a time
// that is not.
func aKey(kid string, state keys.State, moments ...time.Duration) operator.KeyState {
	var at [4]time.Time
	for i, d := range moments {
		if d != none {
			at[i] = drawn.Add(d)
		}
	}
	k := operator.KeyState{Key: keys.Key{ID: kid, Algorithm: keys.ES256}, State: state, Life: keys.Life{Published: at[0], SignsFrom: at[1], SignsUntil: at[2], GoneAt: at[3]}}
	if state == keys.Revoked {
		k.RevokedAt = at[2]
	}
	return k
}

const (
	none = time.Duration(-1)
	year = 365 * day
)

// rows are the lines of keys in a drawing, without what stands before the axis.
func rows(t *testing.T, table operator.Timetable, width int, p pen) []string {
	t.Helper()
	text := drawTimetable(table, width, p)
	head := 13 + shortKids(table.Keys)
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > max(width, head+fewestCells) || line != strings.TrimRight(line, " ") {
			t.Errorf("a line of %d columns on %d: %q", n, width, line)
		}
		for _, state := range []keys.State{keys.Waiting, keys.Signing, keys.Retired, keys.Revoked} {
			if strings.HasPrefix(line, "  "+string(state)+"  ") {
				found = append(found, line[head:])
			}
		}
	}
	if len(found) != len(table.Keys) || strings.Count(text, "now, "+stamp(table.Now)) != 1 {
		t.Errorf("%d of %d keys are drawn:\n%s", len(found), len(table.Keys), text)
	}
	return found
}

func TestDrawTimetable(t *testing.T) {
	const min = time.Minute
	for name, c := range map[string]struct {
		keys []operator.KeyState
		want []string // on an axis of 41 columns
	}{
		"one key": {
			[]operator.KeyState{aKey("one", keys.Signing, -10*min, -5*min, 10*min, 20*min)},
			[]string{"(......[=====|=============]------------)"},
		},
		"one key that was just made": {
			[]operator.KeyState{aKey("one", keys.Signing, 0, 0, 20*min, 30*min)},
			[]string{"[==========================]------------)"},
		},
		"nobody follows": {
			[]operator.KeyState{aKey("one", keys.Signing, -10*min, -10*min, none, none), aKey("two", keys.Retired, -10*min, -10*min, -5*min, 20*min)},
			[]string{"[============|==========================>", "[======]-----|--------------------------)"},
		},
		"all at once": {
			[]operator.KeyState{aKey("one", keys.Retired, -10*min, 0, 0, 20*min), aKey("two", keys.Signing, 0, 0, 0, 0), aKey("three", keys.Waiting, 0, 20*min, 20*min, 20*min)},
			[]string{"(............[--------------------------)", "             [", "             (..........................["},
		},
		"revoked while it signed": {
			[]operator.KeyState{aKey("one", keys.Revoked, -10*min, -5*min, 0, 100*day), aKey("two", keys.Signing, -5*min, 0, 10*min, 20*min)},
			[]string{"(......[=====x", "       (.....[=============]------------)"},
		},
		"withdrawn while it waited": {
			[]operator.KeyState{aKey("one", keys.Retired, -10*min, none, none, 20*min)},
			[]string{"(............|..........................)"},
		},
		"gone in a hundred years": { // the axis ends when it has gone on for long
			[]operator.KeyState{aKey("one", keys.Retired, -10*min, -10*min, -5*min, 100*year), aKey("two", keys.Signing, -10*min, -5*min, 5*min, 100*year)},
			[]string{"[==]-|---------------------------------->", "(..[=|==]------------------------------->"},
		},
		"three microseconds": { // the axis is a second at least
			[]operator.KeyState{aKey("one", keys.Retired, -3*time.Microsecond, -2*time.Microsecond, -time.Microsecond, 0)},
			[]string{"["},
		},
		"five minutes, of which a second": {
			[]operator.KeyState{aKey("one", keys.Signing, -time.Second, 0, 5*min, 5*min+time.Second)},
			[]string{"[=======================================]"},
		},
	} {
		got := rows(t, operator.Timetable{Now: drawn, Keys: c.keys}, 13+shortestKid+41, asciiPen)
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestDrawManyKeys: 32 keys of a line, two lines, on any width, with any span.
func TestDrawManyKeys(t *testing.T) {
	for _, every := range []time.Duration{time.Microsecond, time.Second, time.Minute, 5 * time.Hour, 30 * day, 10 * year, 100 * year} {
		var list []operator.KeyState
		for i := range 64 {
			d := time.Duration(i%32-20) * every / 10
			k := aKey(fmt.Sprintf("a-common-beginning-%c%d", 'a'+i/32, i), keys.Retired, d, d+every/10, d+every/5, d+every/2)
			if k.Algorithm = keys.ES256; i >= 32 {
				k.Algorithm = keys.RS256
			}
			list = append(list, k)
		}
		table := operator.Timetable{Now: drawn, Keys: list}
		for _, width := range []int{1, 40, 80, 100, 317} {
			last := -1
			for i, row := range rows(t, table, width, asciiPen) {
				from, until, gone := strings.IndexByte(row, '['), strings.IndexByte(row, ']'), strings.IndexByte(row, ')')
				if i == 32 {
					last = -1
				}
				if from < last || until >= 0 && until < from || gone >= 0 && gone < from {
					t.Fatalf("every %s on %d columns: row %d is %q after a key at %d", every, width, i, row, last)
				}
				last = from
			}
		}
		text := drawTimetable(table, 100, asciiPen)
		if labels, _, _ := strings.Cut(text, "\n"); len(strings.Fields(labels)) < 1 {
			t.Errorf("every %s the axis has no label:\n%s", every, text)
		}
		for _, k := range list {
			if !strings.Contains(text, " "+k.ID[:min(shortKids(list), len(k.ID))]+" ") {
				t.Errorf("%s is in no line:\n%s", k.ID, text)
			}
		}
	}
	if n := shortKids([]operator.KeyState{aKey("same", keys.Signing), aKey("same-and-more", keys.Signing), aKey("same-and-less", keys.Signing)}); n != len("same-and-m") {
		t.Errorf("kids are told apart by %d characters", n)
	}
}

// TestPens: nothing but ASCII is drawn with the one, and both draw the same.
func TestPens(t *testing.T) {
	table := typical()
	plain, lines := drawTimetable(table, 100, asciiPen), drawTimetable(table, 100, linePen)
	if strings.ContainsFunc(plain+asciiPen.legend(), func(c rune) bool { return c > 126 }) || utf8.RuneCountInString(lines) != len(plain) {
		t.Errorf("not the same:\n%s\n%s", plain, lines)
	}
	for i, c := range []rune(lines) {
		if (c > 126) != strings.ContainsRune("(.[=]-)x>|+", rune(plain[i])) && c != '-' && c != '.' {
			t.Fatalf("%q is %q", c, plain[i])
		}
	}
}

// typical is a store where a key was revoked and ES256 was rotated this morning.
func typical() operator.Timetable {
	const hour = time.Hour
	before := aKey("V1mTo6pKzqFJt0Yw2hQm8xN5aRk3cLdEuGbs7XiPZ9A", keys.Retired, -45*day, -30*day-4*hour, -4*hour, 21*hour)
	leaked := aKey("p0Qd8LrXyB1nVtKf6Wz5uEHgMj2sSCiOa9cN4mTq7Rk", keys.Revoked, -75*day, -45*day, -30*day-4*hour, 31*day)
	leaked.Reason = "was in a heap dump"
	signs := aKey("9sGvNnJw4XqTb2rYk7Hc1MdLfEoUZ0pR6iA8tK3eVxQ", keys.Signing, -30*day-4*hour, -4*hour, 30*day-4*hour, 31*day-3*hour)
	waits := aKey("hB3yR5kTfW8mZ1vQpLx6cJ0nDgS9uEaO2iX7tYwKqVM", keys.Waiting, -4*hour, 30*day-4*hour, 60*day-4*hour, 61*day-3*hour)
	rsa := []operator.KeyState{
		aKey("Zk2Lq8vTn5RxJw0bFyGm7cHd3sPaUeKi1oQt9XrM6Ns", keys.Signing, -33*day, -18*day, 12*day, 13*day+hour),
		aKey("eX4cNj7WzTq1mRfVhKd9yBs0uLgPo5iGa8tE2kQwM3Y", keys.Waiting, -18*day, 12*day, 42*day, 43*day+hour),
	}
	for i := range rsa {
		rsa[i].Algorithm = keys.RS256
	}
	replica := func(name string, v storage.Version, since, seen time.Duration, state operator.Standing) operator.ReplicaState {
		return operator.ReplicaState{Replica: storage.Replica{Name: name, Version: v, AdoptedAt: drawn.Add(-since), SeenAt: drawn.Add(-seen)}, State: state}
	}
	return operator.Timetable{
		Now: drawn, Version: 12, Schedule: keys.DefaultSchedule(),
		Keys: append([]operator.KeyState{leaked, before, signs, waits}, rsa...),
		Replicas: []operator.ReplicaState{
			replica("web-1/4711", 12, 4*hour-2*time.Second, 40*time.Second, operator.Current),
			replica("web-2/388", 11, 18*day, 13*time.Second, operator.Behind),
			replica("web-3/1290", 12, 4*hour-4*time.Second, 17*time.Minute, operator.Silent),
		},
	}
}

// TestTimetableOfTheManual: what keys list prints of a typical store is in a
// file, which docs/keys.md quotes.
func TestTimetableOfTheManual(t *testing.T) {
	want, err := os.ReadFile("testdata/timetable.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := printTimetable(&got, typical(), defaultWidth, linePen); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("testdata/timetable.txt should be\n%s", got.String())
	}
}
