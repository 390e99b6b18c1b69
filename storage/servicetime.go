package storage

import "time"

// ServiceTime is a reading of the store's own counter of time in service, in
// microseconds. It stands still while nothing reaches the store and never
// jumps, so a window measured in it outlasts a crash and ignores clock changes.
type ServiceTime int64

// Beat is how often a process that holds the store open advances the counter.
const Beat = 5 * time.Second

// maxAdvance bounds one advance: a process that was paused for an hour was not
// in service for that hour.
const maxAdvance = 2 * Beat

// Add returns the reading d later.
func (t ServiceTime) Add(d time.Duration) ServiceTime { return t + ServiceTime(d.Microseconds()) }

// Sub returns the time in service between two readings.
func (t ServiceTime) Sub(u ServiceTime) time.Duration { return time.Duration(t-u) * time.Microsecond }

// Advance returns the counter's next reading: stored is what the store holds
// now, seen what this process last read or wrote there, elapsed the monotonic
// time since then. Any number of processes may advance one counter: together
// they never get ahead of real time, counted from the store's beginning, and
// between two readings at most maxAdvance of what was not counted is made up for.
func Advance(stored, seen ServiceTime, elapsed time.Duration) ServiceTime {
	return max(stored, seen.Add(min(max(elapsed, 0), maxAdvance)))
}
