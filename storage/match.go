package storage

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// A SessionMatch says which of the sessions that have not ended an act is
// about. A zero member restricts nothing; of those that are set all must hold.
type SessionMatch struct {
	User       uuid.UUID
	Client     int64     // Client.Number
	Device     string    // a part of the device's label, in any case
	AuthBefore time.Time // signed in before
	UsedBefore time.Time // neither signed in nor refreshed since
}

// Empty reports whether every session matches.
func (m SessionMatch) Empty() bool { return m == SessionMatch{} }

// Matches reports whether the session has not ended, although it may be over
// its lifetime by this clock, and is one that is meant.
func (m SessionMatch) Matches(s Session) bool {
	switch {
	case !s.EndedAt.IsZero(),
		m.User != uuid.Nil && s.User != m.User,
		m.Client != 0 && s.Client != m.Client,
		m.Device != "" && !strings.Contains(strings.ToLower(s.Device), strings.ToLower(m.Device)),
		!m.AuthBefore.IsZero() && !s.AuthTime.Before(m.AuthBefore),
		!m.UsedBefore.IsZero() && !s.LastUsedAt.Before(m.UsedBefore):
		return false
	}
	return true
}
