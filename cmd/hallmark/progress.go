package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

const (
	progressEvery = 200 * time.Millisecond
	progressWidth = 30
)

// A progress is a bar on a terminal that says how far an import is; elsewhere
// it is nothing. Its methods are called from one goroutine.
type progress struct {
	w      io.Writer // nil: nothing
	source *importSource
	began  time.Time
	last   time.Time
	users  int64
	shown  bool
}

func newProgress(w io.Writer, s *importSource) *progress {
	p := &progress{source: s, began: time.Now()}
	if tty, ok := w.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
		p.w = w
	}
	return p
}

// step counts a user, and draws the bar now and then.
func (p *progress) step() {
	p.users++
	if p.w == nil {
		return
	}
	now := time.Now()
	if now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprint(p.w, "\r"+p.line(now.Sub(p.began))+"\x1b[K")
}

func (p *progress) line(took time.Duration) string {
	rate := float64(p.users) / max(took.Seconds(), 0.001)
	text := fmt.Sprintf("%d users, %.0f a second", p.users, rate)
	if p.source.total <= 0 {
		return text
	}
	done := p.users
	if p.source.done != nil {
		done = p.source.done()
	}
	part := min(float64(done)/float64(p.source.total), 1)
	full := int(part * progressWidth)
	return fmt.Sprintf("[%s%s] %3.0f%% %s", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), 100*part, text)
}

// clear takes the bar away, for a line that is to stay.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// A countingReader knows how much was read.
type countingReader struct {
	r     io.Reader
	count atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.count.Add(int64(n))
	return n, err
}
