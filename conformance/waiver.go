package conformance

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// A Waiver says that cases need not hold for a while, and why. It waives fail
// and warn; what was inconclusive has shown nothing that could be waived.
type Waiver struct {
	ID      string    // glob of case ids
	Reason  string    // for people
	Expires time.Time // the first day on which it waives no more, in UTC
}

// A WaiverState is what became of a waiver.
type WaiverState string

// The states.
const (
	WaiverUsed    WaiverState = "used"
	WaiverUnused  WaiverState = "unused"  // nothing that it names failed: it can go
	WaiverExpired WaiverState = "expired" // it waives nothing any more
	WaiverIdle    WaiverState = "idle"    // no case that it names ran
)

// A WaiverUse is a waiver in a report.
type WaiverUse struct {
	ID      string      `json:"id"`
	Reason  string      `json:"reason"`
	Expires string      `json:"expires"` // a date
	State   WaiverState `json:"state"`
}

// A Pardon is what a waiver did to a result.
type Pardon struct {
	Outcome Outcome `json:"outcome"` // without the waiver
	Reason  string  `json:"reason"`
	Expires string  `json:"expires"`
}

func (w Waiver) check() error {
	switch _, err := path.Match(w.ID, ""); {
	case w.ID == "" || err != nil:
		return fmt.Errorf("waiver of %q: name a case, or several with a glob", w.ID)
	case strings.TrimSpace(w.Reason) == "":
		return fmt.Errorf("waiver of %q: it has no reason", w.ID)
	case w.Expires.IsZero():
		return fmt.Errorf("waiver of %q: it has no date on which it expires", w.ID)
	}
	return nil
}

func (w Waiver) matches(id string) bool {
	ok, _ := path.Match(w.ID, id)
	return ok
}

func (w Waiver) expires() string { return w.Expires.Format(time.DateOnly) }

// pardon waives a result by the first waiver that is in force.
func pardon(r *Result, waivers []Waiver, now time.Time) {
	if r.Outcome != Fail && r.Outcome != Warn {
		return
	}
	for _, w := range waivers {
		if w.matches(r.ID) && now.Before(w.Expires) {
			r.Waived, r.Outcome = &Pardon{r.Outcome, w.Reason, w.expires()}, Waived
			return
		}
	}
}

// uses says what became of the waivers.
func uses(waivers []Waiver, results []Result, now time.Time) (all []WaiverUse) {
	for _, w := range waivers {
		use := WaiverUse{ID: w.ID, Reason: w.Reason, Expires: w.expires(), State: WaiverIdle}
		for _, r := range results {
			switch {
			case !w.matches(r.ID):
			case r.Waived != nil && r.Waived.Reason == w.Reason && r.Waived.Expires == use.Expires:
				use.State = WaiverUsed
			case use.State == WaiverIdle && r.Outcome != Skipped && r.Outcome != Inconclusive:
				use.State = WaiverUnused
			}
		}
		if !now.Before(w.Expires) {
			use.State = WaiverExpired
		}
		if !known(w) {
			use.State = WaiverUnused
		}
		all = append(all, use)
	}
	return all
}

// known reports whether w names a case at all.
func known(w Waiver) bool {
	for _, c := range Cases() {
		if w.matches(c.ID) {
			return true
		}
	}
	return false
}

// text is a waiver that needs attention, or "".
func (u WaiverUse) text() string {
	advice := map[WaiverState]string{
		WaiverUnused:  "nothing needed it: take it out",
		WaiverExpired: "it waives no more: mend what it waived, or decide again",
	}[u.State]
	if advice == "" {
		return ""
	}
	return fmt.Sprintf("waiver       %-28s  %s (%s): %s; its reason was: %s", u.ID, u.State, u.Expires, advice, u.Reason)
}
