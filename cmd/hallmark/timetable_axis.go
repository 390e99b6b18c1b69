package main

import (
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// An axis lays a span of time on columns.
type axis struct {
	from, to, now time.Time
	columns       int
}

// afterwards is how much longer than all the rest of an axis its last part may
// be, in which keys do nothing but go.
const afterwards = 4

// newAxis takes in the whole life of every key and the present. A key that
// stays for very long after everything else has happened runs off its end.
func newAxis(t operator.Timetable, columns int) axis {
	a := axis{from: t.Now, to: t.Now, now: t.Now, columns: columns}
	gone := t.Now
	for _, k := range t.Keys {
		a.from = earlier(a.from, k.Life.Published)
		for _, moment := range []time.Time{k.Life.SignsFrom, k.Life.SignsUntil} {
			a.to = later(a.to, moment)
		}
		if k.State != keys.Revoked {
			gone = later(gone, k.Life.GoneAt)
		}
	}
	a.to = earlier(gone, a.to.Add(afterwards*max(a.to.Sub(a.from), time.Second)))
	a.to = later(a.to, a.from.Add(time.Second))
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// column is where a time is drawn, and whether it is on the axis; if not, the
// nearest column.
func (a axis) column(t time.Time) (int, bool) {
	switch {
	case t.Before(a.from):
		return 0, false
	case t.After(a.to):
		return a.columns - 1, false
	}
	share := float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return int(share*float64(a.columns-1) + 0.5), true
}

func (a axis) blank() []rune {
	cells := make([]rune, a.columns)
	for i := range cells {
		cells[i] = ' '
	}
	return cells
}

// mark draws the present.
func (a axis) mark(cells []rune, p pen) []rune {
	at, _ := a.column(a.now)
	cells[at] = p.now
	return cells
}

// steps are between two ticks of an axis, the finest that has room for its labels.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 56 * day, 182 * day,
}

const day = 24 * time.Hour

// step chooses the distance of ticks and how they are labelled.
func (a axis) step() (step time.Duration, layout string) {
	room := func(layout string) bool {
		columns := float64(a.columns-1) * float64(step) / float64(a.to.Sub(a.from))
		return columns >= float64(len(layout)+2)
	}
	for _, step = range steps {
		switch {
		case step >= day:
			layout = time.DateOnly
		case step >= time.Minute:
			layout = "01-02 15:04"
		default:
			layout = time.TimeOnly
		}
		if room(layout) {
			return step, layout
		}
	}
	for step = 364 * day; !room(layout); step *= 2 {
	}
	return step, layout
}

// ticks draws the axis: labels, and the rule below them. All is UTC.
func (a axis) ticks(p pen) (labels, rule []rune) {
	labels, rule = a.blank(), a.blank()
	for i := range rule {
		rule[i] = p.rule
	}
	step, layout := a.step()
	for t := a.from.UTC().Truncate(step); ; t = t.Add(step) {
		at, on := a.column(t)
		switch {
		case t.After(a.to):
			return labels, a.mark(rule, p)
		case !on:
			continue
		}
		rule[at] = p.tick
		if at+len(layout) <= a.columns {
			copy(labels[at:], []rune(t.Format(layout)))
		}
	}
}

// today names the present, on the line below the drawing: head columns and the
// axis. On one side of the mark there is room.
func (a axis) today(head int, p pen) string {
	at, _ := a.column(a.now)
	text := "now, " + stamp(a.now)
	if at+len("| ")+len(text) <= a.columns {
		return strings.Repeat(" ", head+at) + string(p.now) + " " + text
	}
	return strings.Repeat(" ", max(0, head+at-len(text)-1)) + text + " " + string(p.now)
}
