package storage

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestSessionMatch(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := Session{
		User: uuid.New(), Client: 7, Device: "Firefox on Linux", AuthTime: now.Add(-2 * time.Hour), LastUsedAt: now.Add(-time.Hour),
	}
	tests := map[string]struct {
		m    SessionMatch
		want bool
	}{
		"nothing said":         {SessionMatch{}, true},
		"the user":             {SessionMatch{User: s.User}, true},
		"another user":         {SessionMatch{User: uuid.New()}, false},
		"the client":           {SessionMatch{Client: 7}, true},
		"another client":       {SessionMatch{Client: 8}, false},
		"the device":           {SessionMatch{Device: "Firefox on Linux"}, true},
		"a part of it":         {SessionMatch{Device: "LINUX"}, true},
		"another device":       {SessionMatch{Device: "iPhone"}, false},
		"older":                {SessionMatch{AuthBefore: now.Add(-time.Hour)}, true},
		"as old":               {SessionMatch{AuthBefore: s.AuthTime}, false},
		"not as old":           {SessionMatch{AuthBefore: now.Add(-3 * time.Hour)}, false},
		"idle":                 {SessionMatch{UsedBefore: now}, true},
		"idle since then":      {SessionMatch{UsedBefore: s.LastUsedAt}, false},
		"used since":           {SessionMatch{UsedBefore: now.Add(-90 * time.Minute)}, false},
		"all of it":            {SessionMatch{s.User, 7, "fox", now, now}, true},
		"all but the client":   {SessionMatch{s.User, 8, "fox", now, now}, false},
		"all but the idleness": {SessionMatch{s.User, 7, "fox", now, s.LastUsedAt}, false},
	}
	for name, tt := range tests {
		if got := tt.m.Matches(s); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
		if tt.m.Matches(s.End(now, EndedRevoked)) {
			t.Errorf("%s: an ended session matches", name)
		}
		if tt.m.Empty() != (name == "nothing said") {
			t.Errorf("%s: Empty is %v", name, tt.m.Empty())
		}
	}
}
