package storagetest

import (
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	browserAddress = "192.0.2.1"
	thiefAddress   = "198.51.100.66"
)

// someBrowser is one whose session has not ended.
func (w *lives) someBrowser(rt *rapid.T) *browser {
	var living []*browser
	for _, b := range w.browsers {
		if !b.ended {
			living = append(living, b)
		}
	}
	if len(living) == 0 {
		rt.Skip("nobody is signed in")
	}
	return living[rapid.IntRange(0, len(living)-1).Draw(rt, "browser")]
}

// attempt is one request of a browser with the token that a tab has read.
func (w *lives) attempt(rt *rapid.T, b *browser, read int, answered bool) {
	if b.since < 0 {
		b.since = w.step
	}
	if next, err := w.present(rt, b, read, browserAddress); err == nil && answered {
		b.stored, b.since = next, -1
	}
}

// tabs read the stored token all at once, and each sends it. Requests are lost
// on the way, and answers on the way back.
func (w *lives) tabs(rt *rapid.T) {
	b := w.someBrowser(rt)
	read := b.stored
	for range rapid.IntRange(1, 4).Draw(rt, "tabs") {
		switch rapid.SampledFrom([]string{"answered", "answered", "answer lost", "request lost"}).Draw(rt, "fate") {
		case "answered":
			w.attempt(rt, b, read, true)
		case "answer lost":
			w.attempt(rt, b, read, false)
		}
		if b.client == strictClient { // it has a lock around refreshing
			return
		}
	}
}

// delay lets time go by, up to beyond the window. Who still waits for an answer
// asks again before it would be too late.
func (w *lives) delay(rt *rapid.T) {
	w.pass(rt, rapid.IntRange(1, windowSteps+1).Draw(rt, "steps"))
}

func (w *lives) pass(rt *rapid.T, steps int) {
	for _, b := range w.browsers {
		if b.since >= 0 && !b.ended && w.step+steps-b.since >= windowSteps {
			w.attempt(rt, b, b.stored, true)
		}
	}
	w.later(steps)
}

// jump sets the wall clock an hour forth or back.
func (w *lives) jump(rt *rapid.T) {
	hours := rapid.SampledFrom([]int{-1, 1}).Draw(rt, "hours")
	if max(w.off+hours, -w.off-hours) > 5 {
		rt.Skip("far off")
	}
	w.off += hours
	w.now = w.now.Add(time.Duration(hours) * time.Hour)
}

// thief takes a copy of any generation, or uses one, also after the end.
func (w *lives) thief(rt *rapid.T) {
	b := rapid.SampledFrom(w.browsers).Draw(rt, "victim")
	i := rapid.IntRange(-1, len(b.copies)-1).Draw(rt, "copy")
	if i < 0 {
		age := rapid.IntRange(0, min(3, len(b.tokens)-1)).Draw(rt, "generations old")
		i, b.copies = len(b.copies), append(b.copies, len(b.tokens)-1-age)
	}
	if rapid.Bool().Draw(rt, "keeps it for later") {
		return
	}
	b.copied = true
	if next, err := w.present(rt, b, b.copies[i], thiefAddress); err == nil {
		b.copies[i] = next
	}
}

// lockStep is a thief who refreshes inside the window of the victim's every
// refresh, for a while: both go on.
func (w *lives) lockStep(rt *rapid.T) {
	b := w.someBrowser(rt)
	if b.client == strictClient {
		rt.Skip("there is no window")
	}
	if _, err := w.rule(b, b.stored); err != nil {
		rt.Skip("it is too late for the victim")
	}
	w.attempt(rt, b, b.stored, true)
	b.copied = true
	for range rapid.IntRange(1, 3).Draw(rt, "rounds") {
		w.delay(rt)
		read := b.stored // the thief has it too
		w.attempt(rt, b, read, true)
		if b.stored != read {
			w.pass(rt, rapid.IntRange(0, windowSteps-1).Draw(rt, "steps within"))
		}
		if next, err := w.present(rt, b, read, thiefAddress); err != nil || next != b.stored {
			w.broken(rt, lawUnseen, "generation %d and not %d, %v", next, b.stored, err)
		}
	}
}

// refused asks for what is never granted, with a token that is good. The
// session is as it was.
func (w *lives) refused(rt *rapid.T) {
	b := w.someBrowser(rt)
	if _, err := w.rule(b, b.stored); err != nil {
		rt.Skip("more than a refusal")
	}
	r := storage.Refresh{Token: b.tokens[b.stored], Nonce: storage.NewNonce(), Address: thiefAddress, Now: w.now}
	want := rapid.SampledFrom([]error{storage.ErrClient, storage.ErrScope, storage.ErrResource}).Draw(rt, "fault")
	switch want {
	case storage.ErrClient:
		r.Client = 1 // see ask
	case storage.ErrScope:
		r.Scope = []string{"read", "admin"}
	case storage.ErrResource:
		r.Resources = []string{"https://c.example"}
	}
	before := w.row(b)
	got, err := w.ask(w.backend, b, r)
	if after := w.row(b); verdict(err) != want || !reflect.DeepEqual(before, after) {
		w.broken(rt, lawRefusals, "%v, want %v: the row was\n%+v, is\n%+v", err, want, before, after)
	}
	w.askModel(b, r, got, verdict(err))
}
