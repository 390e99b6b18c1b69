package keys

import "time"

// A Life is when things happen to a key: what has happened, and what will as
// planned. The zero time stands for what will not, and for what nobody has
// planned yet.
type Life struct {
	Published  time.Time
	SignsFrom  time.Time // zero if it never signs: it was withdrawn while it waited, or is another issuer's
	SignsUntil time.Time // when its successor takes over, or its line ends
	GoneAt     time.Time // when it leaves the key set; of a revoked key, when its record goes
}

// Life returns the timetable of a key of the ring, as it looks now.
func (r Ring) Life(k Key, now Instant) Life {
	life := Life{Published: k.PublishedAt, GoneAt: k.GoneAt}
	if k.withdrawn(now) {
		return life
	}
	life.SignsFrom = k.takesOver(now)
	life.SignsUntil = r.until(k, now)
	switch {
	case k.revoked():
		if life.SignsUntil.IsZero() || k.RevokedAt.Before(life.SignsUntil) {
			life.SignsUntil = k.RevokedAt
		}
	case life.GoneAt.IsZero() && !life.SignsUntil.IsZero():
		life.GoneAt = life.SignsUntil.Add(r.stay())
	}
	return life
}

// until is when another key takes over from a key, or its line ends; zero if
// neither is planned.
func (r Ring) until(k Key, now Instant) time.Time {
	for _, next := range r.line(k.Algorithm) {
		if compareKeys(*next, k) > 0 && !next.withdrawn(now) {
			if at := next.takesOver(now); k.SignsUntil.IsZero() || at.Before(k.SignsUntil) {
				return at
			}
			break
		}
	}
	if k.revoked() || !k.SignsUntil.IsZero() || !r.scheduled(k.Algorithm) {
		return k.SignsUntil
	}
	// Its successor is not made yet, and will be when the key begins to sign.
	planned := k.takesOver(now).Add(r.schedule.RotateEvery)
	if k.maySign(now) {
		planned = later(planned, now.Wall.Add(r.schedule.PublishAhead))
	}
	return planned
}

// withdrawn reports whether the key's time to sign will not come any more.
func (k Key) withdrawn(now Instant) bool {
	switch {
	case k.Imported:
		return true
	case k.revoked() && !k.SignsFrom.Before(k.RevokedAt), !k.usable() && k.SignsFrom.After(now.Wall):
		return true
	}
	return !k.SignsUntil.IsZero() && !k.takesOver(now).Before(k.SignsUntil) // with its line
}

// takesOver is when a key begins to sign, by the clock and by the time that it
// was served.
func (k Key) takesOver(now Instant) time.Time {
	if k.ReadyAt <= now.Service {
		return k.SignsFrom
	}
	return later(k.SignsFrom, now.Wall.Add(k.ReadyAt.Sub(now.Service)))
}
