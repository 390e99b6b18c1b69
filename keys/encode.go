package keys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// The JSON form is numbered: what an older program would misread has a number
// that it does not know. A ring is written in the first form that can hold it,
// so that programs of both kinds work on one store until something newer is
// used.
const (
	firstFormat = 1
	ringFormat  = 2 // ends of lines, imported and external keys, reasons, RSA sizes, changed schedules
)

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
	Former   *formerJSON     `json:"former,omitempty"`
}

type formerJSON struct {
	Stay    int64               `json:"stay"`
	Until   int64               `json:"until"`
	Service storage.ServiceTime `json:"service"`
}

type scheduleJSON struct {
	Algorithms   []Algorithm `json:"algorithms"`
	RotateEvery  int64       `json:"rotate_every"`
	PublishAhead int64       `json:"publish_ahead"`
	KeepAfter    int64       `json:"keep_after"`
	MaxAge       int64       `json:"max_age"`
	Poll         int64       `json:"poll"`
	Skew         int64       `json:"skew"`
	RSABits      int         `json:"rsa_bits,omitempty"`
}

type keyJSON struct {
	ID          string              `json:"kid"`
	Algorithm   Algorithm           `json:"alg"`
	JWK         *jose.JSONWebKey    `json:"jwk,omitempty"`     // the private half where there is one
	Handle      string              `json:"handle,omitempty"`  // of a private half that is kept outside
	Dropped     string              `json:"dropped,omitempty"` // of one that was
	PublishedAt int64               `json:"published_at"`
	SignsFrom   int64               `json:"signs_from"`
	ReadyAt     storage.ServiceTime `json:"ready_at,omitempty"`
	GoneAt      int64               `json:"gone_at,omitempty"`
	KeptUntil   storage.ServiceTime `json:"kept_until,omitempty"`
	RevokedAt   int64               `json:"revoked_at,omitempty"`
	Reason      string              `json:"reason,omitempty"`
	SignsUntil  int64               `json:"signs_until,omitempty"`
	Imported    bool                `json:"imported,omitempty"`
}

// newer reports whether the key has what only ringFormat can say.
func (j keyJSON) newer() bool {
	return j.Handle != "" || j.Dropped != "" || j.Reason != "" || j.SignsUntil != 0 || j.Imported || j.Algorithm != ES256 && j.Algorithm != RS256
}

func (r Ring) encode() ([]byte, error) {
	s := r.schedule
	out := ringJSON{Format: firstFormat, Version: r.version, Keys: []keyJSON{}, Schedule: scheduleJSON{
		Algorithms: s.Algorithms, RotateEvery: s.RotateEvery.Microseconds(), PublishAhead: s.PublishAhead.Microseconds(),
		KeepAfter: s.KeepAfter.Microseconds(), MaxAge: s.MaxAge.Microseconds(), Poll: s.Poll.Microseconds(), Skew: s.Skew.Microseconds(),
		RSABits: s.RSABits,
	}}
	if f := r.former; f.stay != 0 {
		out.Former = &formerJSON{f.stay.Microseconds(), f.until.UnixMicro(), f.service}
	}
	newer := s.RSABits != 0 || out.Former != nil || slices.ContainsFunc(s.Algorithms, func(a Algorithm) bool { return a != ES256 && a != RS256 })
	for _, k := range r.keys {
		j := k.json()
		newer = newer || j.newer()
		out.Keys = append(out.Keys, j)
	}
	if newer {
		out.Format = ringFormat
	}
	return json.Marshal(out)
}

func (k Key) json() keyJSON {
	j := keyJSON{
		ID: k.ID, Algorithm: k.Algorithm, ReadyAt: k.ReadyAt, KeptUntil: k.keptUntil, PublishedAt: k.PublishedAt.UnixMicro(),
		SignsFrom: k.SignsFrom.UnixMicro(), GoneAt: micros(k.GoneAt), RevokedAt: micros(k.RevokedAt),
		Handle: k.handle(), Dropped: k.dropped, Reason: k.Reason, SignsUntil: micros(k.SignsUntil), Imported: k.Imported,
	}
	switch {
	case k.usable() && !k.External():
		j.JWK = &jose.JSONWebKey{Key: k.private}
	case k.Public != nil:
		j.JWK = &jose.JSONWebKey{Key: k.Public}
	}
	return j
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
	case in.Format < firstFormat || in.Format > ringFormat:
		return Ring{}, fmt.Errorf("ring format %d, this program knows %d to %d: it was written by a newer version of hallmark", in.Format, firstFormat, ringFormat)
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
	if f := in.Former; f != nil {
		if r.former = (former{duration(f.Stay), moment(f.Until), f.Service}); r.former.stay < 0 || f.Service < 0 {
			return Ring{}, errors.New("its former schedule is out of range")
		}
	}
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
		RSABits: j.RSABits,
	}
}

func (j keyJSON) key() (Key, error) {
	k := Key{
		ID: j.ID, Algorithm: j.Algorithm, ReadyAt: j.ReadyAt, keptUntil: j.KeptUntil,
		PublishedAt: moment(j.PublishedAt), SignsFrom: moment(j.SignsFrom), GoneAt: moment(j.GoneAt), RevokedAt: moment(j.RevokedAt),
		Reason: j.Reason, SignsUntil: moment(j.SignsUntil), Imported: j.Imported, dropped: j.Dropped,
	}
	switch {
	case k.PublishedAt.IsZero() || k.SignsFrom.IsZero() || k.ReadyAt < 0 || k.keptUntil < 0:
		return Key{}, errors.New("its times are missing")
	case j.Handle != "" && !isHandle(j.Handle) || j.Dropped != "" && !isHandle(j.Dropped):
		return Key{}, errors.New("its handle is not one")
	case !isKid(k.ID) || CheckReason(k.Reason) != nil || k.Reason != "" && !k.revoked():
		return Key{}, errors.New("its kid or its reason is not one")
	case k.revoked():
		return k, k.checkRecord(j)
	case j.JWK == nil:
		return Key{}, errors.New("it has no key material")
	}
	if key, ok := j.JWK.Key.(*rsa.PrivateKey); ok {
		key.Precompute() // once, not for each token
	}
	private, ok := j.JWK.Key.(crypto.Signer)
	switch {
	case ok && (j.Handle != "" || j.Imported) || j.Imported && (j.Handle != "" || j.Dropped != ""):
		return Key{}, errors.New("its private half should not be here")
	case ok:
		k.private, k.Public = private, private.Public()
	case j.Handle != "":
		k.private, k.Public = External{Handle: j.Handle}, j.JWK.Key
	default:
		k.Public = j.JWK.Key
	}
	if k.private == nil && k.GoneAt.IsZero() {
		return Key{}, errors.New("it can neither sign nor be gone")
	}
	if err := k.Algorithm.check(k.Public); err != nil {
		return Key{}, err
	}
	kid, err := thumbprint(k.Public)
	if err == nil && kid != k.ID && !k.Imported {
		err = fmt.Errorf("it is in fact %s", kid)
	}
	return k, err
}

// checkRecord checks what is left of a revoked key.
func (k Key) checkRecord(j keyJSON) error {
	if _, err := k.Algorithm.row(); err != nil {
		return err
	}
	if j.JWK != nil || j.Handle != "" || k.GoneAt.IsZero() {
		return errors.New("it is not the record of a revoked key")
	}
	return nil
}

// isKid reports whether a text can be the kid of a key: that of a key which was
// made here is a SHA-256 thumbprint in base64url, that of an imported one is
// whatever its tokens have.
func isKid(s string) bool {
	return len(s) >= 1 && len(s) <= maxKid && !strings.ContainsFunc(s, func(c rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:=", c)
	})
}

// maxKid bounds a kid, in bytes.
const maxKid = 128

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
