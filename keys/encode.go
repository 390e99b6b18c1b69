package keys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// ringFormat numbers the JSON form. A change that an older program would
// misread gets a new number.
const ringFormat = 1

// maxKeys bounds what is read; a year of daily revocations stays below it.
const maxKeys = 4096

// The JSON form of a ring, with the private halves in it: it exists in memory
// on its way into or out of a Sealer only. Times and durations are whole
// microseconds; a time that is not set is left out.
type ringJSON struct {
	Format   int             `json:"format"`
	Version  storage.Version `json:"version"`
	Schedule scheduleJSON    `json:"schedule"`
	Keys     []keyJSON       `json:"keys"`
}

type scheduleJSON struct {
	Algorithms   []Algorithm `json:"algorithms"`
	RotateEvery  int64       `json:"rotate_every"`
	PublishAhead int64       `json:"publish_ahead"`
	KeepAfter    int64       `json:"keep_after"`
	MaxAge       int64       `json:"max_age"`
	Poll         int64       `json:"poll"`
	Skew         int64       `json:"skew"`
}

type keyJSON struct {
	ID          string              `json:"kid"`
	Algorithm   Algorithm           `json:"alg"`
	JWK         *jose.JSONWebKey    `json:"jwk,omitempty"` // the private half where there is one
	PublishedAt int64               `json:"published_at"`
	SignsFrom   int64               `json:"signs_from"`
	ReadyAt     storage.ServiceTime `json:"ready_at,omitempty"`
	GoneAt      int64               `json:"gone_at,omitempty"`
	KeptUntil   storage.ServiceTime `json:"kept_until,omitempty"`
	RevokedAt   int64               `json:"revoked_at,omitempty"`
}

func (r Ring) encode() ([]byte, error) {
	s := r.schedule
	out := ringJSON{Format: ringFormat, Version: r.version, Keys: []keyJSON{}, Schedule: scheduleJSON{
		Algorithms: s.Algorithms, RotateEvery: s.RotateEvery.Microseconds(), PublishAhead: s.PublishAhead.Microseconds(),
		KeepAfter: s.KeepAfter.Microseconds(), MaxAge: s.MaxAge.Microseconds(), Poll: s.Poll.Microseconds(), Skew: s.Skew.Microseconds(),
	}}
	for _, k := range r.keys {
		j := keyJSON{
			ID: k.ID, Algorithm: k.Algorithm, ReadyAt: k.ReadyAt, KeptUntil: k.keptUntil, PublishedAt: k.PublishedAt.UnixMicro(),
			SignsFrom: k.SignsFrom.UnixMicro(), GoneAt: micros(k.GoneAt), RevokedAt: micros(k.RevokedAt),
		}
		switch {
		case k.usable():
			j.JWK = &jose.JSONWebKey{Key: k.private}
		case k.Public != nil:
			j.JWK = &jose.JSONWebKey{Key: k.Public}
		}
		out.Keys = append(out.Keys, j)
	}
	return json.Marshal(out)
}

// decodeRing reads what encode wrote and refuses anything else.
func decodeRing(data []byte) (Ring, error) {
	var in ringJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Ring{}, errors.New("not a ring in JSON") // the decoder's own error may quote what it read
	}
	if _, err := d.Token(); err != io.EOF {
		return Ring{}, errors.New("more than a ring in JSON")
	}
	switch {
	case in.Format != ringFormat:
		return Ring{}, fmt.Errorf("ring format %d, this program knows %d: it was written by another version of hallmark", in.Format, ringFormat)
	case in.Version < 1:
		return Ring{}, fmt.Errorf("ring version %d", in.Version)
	case len(in.Keys) > maxKeys:
		return Ring{}, fmt.Errorf("%d keys", len(in.Keys))
	}
	r, err := NewRing(in.Schedule.schedule())
	if err != nil {
		return Ring{}, err
	}
	r.version = in.Version
	for _, j := range in.Keys {
		k, err := j.key()
		if err != nil {
			return Ring{}, fmt.Errorf("key %.64q: %w", j.ID, err)
		}
		if r.find(k.ID) >= 0 {
			return Ring{}, fmt.Errorf("key %q is there twice", k.ID)
		}
		r.keys = append(r.keys, k)
	}
	r.sort()
	return r, nil
}

func (j scheduleJSON) schedule() Schedule {
	return Schedule{
		Algorithms: j.Algorithms, RotateEvery: duration(j.RotateEvery), PublishAhead: duration(j.PublishAhead),
		KeepAfter: duration(j.KeepAfter), MaxAge: duration(j.MaxAge), Poll: duration(j.Poll), Skew: duration(j.Skew),
	}
}

func (j keyJSON) key() (Key, error) {
	k := Key{
		ID: j.ID, Algorithm: j.Algorithm, ReadyAt: j.ReadyAt, keptUntil: j.KeptUntil,
		PublishedAt: moment(j.PublishedAt), SignsFrom: moment(j.SignsFrom), GoneAt: moment(j.GoneAt), RevokedAt: moment(j.RevokedAt),
	}
	switch {
	case k.PublishedAt.IsZero() || k.SignsFrom.IsZero() || k.ReadyAt < 0 || k.keptUntil < 0:
		return Key{}, errors.New("its times are missing")
	case k.revoked():
		return k, k.checkRecord(j.JWK)
	case j.JWK == nil:
		return Key{}, errors.New("it has no key material")
	}
	if key, ok := j.JWK.Key.(*rsa.PrivateKey); ok {
		key.Precompute() // once, not for each token
	}
	if private, ok := j.JWK.Key.(crypto.Signer); ok {
		k.private, k.Public = private, private.Public()
	} else {
		k.Public = j.JWK.Key
	}
	if k.private == nil && k.GoneAt.IsZero() {
		return Key{}, errors.New("it can neither sign nor be gone")
	}
	if err := k.Algorithm.check(k.Public); err != nil {
		return Key{}, err
	}
	kid, err := thumbprint(k.Public)
	if err == nil && kid != k.ID {
		err = fmt.Errorf("it is in fact %s", kid)
	}
	return k, err
}

// checkRecord checks what is left of a revoked key.
func (k Key) checkRecord(jwk *jose.JSONWebKey) error {
	if _, err := k.Algorithm.row(); err != nil {
		return err
	}
	if jwk != nil || k.GoneAt.IsZero() || len(k.ID) != kidLength {
		return errors.New("it is not the record of a revoked key")
	}
	return nil
}

// kidLength is that of a SHA-256 thumbprint in base64url.
const kidLength = 43

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// duration is out of range, not wrapped around, where the number is too big.
func duration(us int64) time.Duration {
	if us < 0 || us > longest.Microseconds() {
		return -1
	}
	return time.Duration(us) * time.Microsecond
}
