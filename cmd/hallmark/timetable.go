package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// A pen is the characters that a timetable is drawn with, one column each.
type pen struct {
	published, waits, from, signs, until, keeps, gone rune // a key's life, in its order
	revoked, beyond, now, rule, tick                  rune
}

var (
	linePen  = pen{'├', '┄', '┣', '━', '┫', '─', '┤', '×', '►', '│', '─', '┴'}
	asciiPen = pen{'(', '.', '[', '=', ']', '-', ')', 'x', '>', '|', '-', '+'}
)

// legend says what the characters mean.
func (p pen) legend() string {
	return fmt.Sprintf("%c published  %c waits  %c signs from  %c signs  %c signs until  %c still verifies  %c gone  %c revoked",
		p.published, p.waits, p.from, p.signs, p.until, p.keeps, p.gone, p.revoked)
}

const (
	shortestKid  = 8  // characters of a kid that a line of the drawing begins with, at least
	fewestCells  = 32 // columns of the time axis, at least
	defaultWidth = 100
)

// drawTimetable draws the life of each key on one line of a common time axis,
// width columns wide, more only where that leaves no room for the axis.
func drawTimetable(t operator.Timetable, width int, p pen) string {
	short := shortKids(t.Keys)
	head := len("  waiting  ") + short + len("  ")
	axis := newAxis(t, max(fewestCells, width-head))
	var out strings.Builder
	line := func(name string, cells []rune) {
		out.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", head, name, string(cells)), " ") + "\n")
	}
	labels, rule := axis.ticks(p)
	line("", labels)
	line("", rule)
	for i, k := range t.Keys {
		if i == 0 || k.Algorithm != t.Keys[i-1].Algorithm {
			line(string(k.Algorithm), axis.mark(axis.blank(), p))
		}
		line(fmt.Sprintf("  %-7s  %s", k.State, k.ID[:min(short, len(k.ID))]), axis.bar(k, p))
	}
	return out.String() + axis.today(head, p) + "\n"
}

// shortKids is how much of the kids tells them apart.
func shortKids(list []operator.KeyState) int {
	for n := shortestKid; ; n++ {
		seen, longer := map[string]bool{}, false
		for _, k := range list {
			seen[k.ID[:min(n, len(k.ID))]] = true
			longer = longer || len(k.ID) > n
		}
		if len(seen) == len(list) || !longer {
			return n
		}
	}
}

// A stroke is a part of a bar; the zero time as its end is beyond the axis.
type stroke struct {
	from, to time.Time
	with     rune
}

// bar draws one key.
func (a axis) bar(k operator.KeyState, p pen) []rune {
	cells, life := a.blank(), k.Life
	end := life.GoneAt // when it leaves the key set
	if k.State == keys.Revoked {
		end = k.RevokedAt
	}
	strokes := []stroke{{life.Published, end, p.waits}}
	if !life.SignsFrom.IsZero() {
		strokes = []stroke{{life.Published, life.SignsFrom, p.waits}, {life.SignsFrom, life.SignsUntil, p.signs}}
		if !life.SignsUntil.IsZero() {
			strokes = append(strokes, stroke{life.SignsUntil, end, p.keeps})
		}
	}
	for _, s := range strokes {
		a.fill(cells, s)
	}
	a.mark(cells, p)
	marks := []stroke{{from: life.Published, with: p.published}, {from: end, with: p.gone}, {from: life.SignsUntil, with: p.until}, {from: life.SignsFrom, with: p.from}}
	if k.State == keys.Revoked {
		marks = append(marks, stroke{from: end, with: p.revoked})
	}
	for _, m := range marks { // the later ones on top
		if at, there := a.column(m.from); there && !m.from.IsZero() {
			cells[at] = m.with
		}
	}
	if end.IsZero() || end.After(a.to) {
		cells[len(cells)-1] = p.beyond
	}
	return cells
}

func (a axis) fill(cells []rune, s stroke) {
	first, _ := a.column(s.from)
	last := len(cells) - 1
	if !s.to.IsZero() {
		last, _ = a.column(s.to)
	}
	for i := first; i <= last; i++ {
		cells[i] = s.with
	}
}
