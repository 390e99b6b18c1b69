package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
)

const (
	maxOldKey  = 4096                 // bytes
	longestOld = 366 * 24 * time.Hour // that old tokens may be taken for
)

// until is when old tokens are refused from; zero without one.
func (o OldTokens) until() (time.Time, error) {
	if o.SimpleJWTOldUntil == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, o.SimpleJWTOldUntil); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("write a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z")
}

// check finds what does not go together, without looking at anything. That the
// end date is past is no reason not to start: the tokens are refused.
func (o OldTokens) check(f *findings, client bool, now time.Time) {
	until, err := o.until()
	switch {
	case err != nil:
		f.add(exitUsage, on("simplejwt-old-until"), "--simplejwt-old-until %q: %v", clip(o.SimpleJWTOldUntil), err)
	case until.After(now.Add(longestOld)):
		f.add(exitUsage, on("simplejwt-old-until"), "--simplejwt-old-until %s is more than a year ahead: who has the key can sign in as anybody until then; name the day on which the last old token has expired", o.SimpleJWTOldUntil)
	case o.SimpleJWTOldKeyFile != "" && until.IsZero():
		f.add(exitUsage, on("simplejwt-old-until", "simplejwt-old-key-file"), "--simplejwt-old-key-file without --simplejwt-old-until: say until when old tokens are taken, such as the day on which the last one has expired")
	}
	if o.SimpleJWTOldKeyFile != "" && !client {
		f.add(exitUsage, on("simplejwt-client", "simplejwt-old-key-file"), "--simplejwt-old-key-file without --simplejwt-client: old tokens are taken at Simple JWT's paths: name the client that they act for")
	}
	for _, s := range []struct{ name, value string }{
		{"simplejwt-old-until", o.SimpleJWTOldUntil}, {"simplejwt-old-issuer", o.SimpleJWTOldIssuer}, {"simplejwt-old-audience", o.SimpleJWTOldAudience},
	} {
		if s.value != "" && o.SimpleJWTOldKeyFile == "" {
			f.add(exitUsage, on(s.name, "simplejwt-old-key-file"), "--%s without --simplejwt-old-key-file: give both, or neither", s.name)
		}
	}
}

// read reads the key; without one no old tokens are taken.
func (o OldTokens) read() (old server.OldTokens, err error) {
	if o.SimpleJWTOldKeyFile == "" {
		return old, nil
	}
	if old.Until, err = o.until(); err != nil {
		return server.OldTokens{}, err
	}
	if old.Key, err = keys.ReadSecretFile(o.SimpleJWTOldKeyFile, maxOldKey); err != nil {
		return server.OldTokens{}, err
	}
	old.Algorithm, old.Issuer, old.Audience = o.SimpleJWTOldAlgorithm, o.SimpleJWTOldIssuer, o.SimpleJWTOldAudience
	return old, nil
}

const howToEndOld = "remove --simplejwt-old-key-file and the other settings of old tokens, and the file"

// warn says at a start that the time is over.
func (o OldTokens) warn(log *slog.Logger, now time.Time) {
	until, err := o.until()
	if err == nil && !until.IsZero() && !now.Before(until) {
		log.Warn("old refresh tokens of Simple JWT are refused since their end date: "+howToEndOld, "until", until.Format(time.RFC3339))
	}
}

// oldTokens looks at what is left of the time for old tokens.
func (x *examination) oldTokens(context.Context) observation {
	old, err := x.OldTokens.read()
	if err == nil {
		err = old.Check()
	}
	left := old.Until.Sub(x.now())
	switch {
	case err != nil:
		return bad(asServer+", and see what hallmark config check says", "%v", err)
	case left <= 0:
		return warn(howToEndOld, "old refresh tokens of Simple JWT are refused since %s", stamp(old.Until))
	}
	return good("old refresh tokens of Simple JWT are taken until %s, for another %s", stamp(old.Until), fmt.Sprint(left.Round(time.Minute)))
}
