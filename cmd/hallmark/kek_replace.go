package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-auth/hallmark/keys"
)

// A replacement is how a ring gets a key-encryption key that nobody has who
// had the old one.
type replacement struct {
	process *process
	office  *office
	place   Place
	keks    []kek  // as they are configured
	file    string // to be replaced; empty: the new key is configured, as the first
	half    bool   // an earlier run stored the ring and was cut short
	view    kekView
}

// replacement finds out how, and changes nothing.
func (p *process) replacement(ctx context.Context, o *office, place Place) (*replacement, error) {
	id, err := o.sealedWith(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := o.sealedRing(ctx)
	if err != nil {
		return nil, err
	}
	keks, err := p.keyEncryptionKeys(ctx, place, sealed)
	if err != nil {
		return nil, fail(exitUnusable, "%w", err)
	}
	r := &replacement{process: p, office: o, place: place, keks: keks, view: kekView{From: keks[0].from}}
	first := keks[0]
	switch r.half = len(keks) > 1 && first.file != "" && keks[1].file == first.file && !bytes.Equal(first.key, keks[1].key); {
	case r.half:
		r.file = first.file
	case keys.KEKID(first.key) != id: // given for this
		r.view.ID = keys.KEKID(first.key)
	case first.file == "":
		return nil, usage("the ring is sealed with the key-encryption key of %s, which may have leaked too: give a new one before it, here and to the servers (%s), and run this again; %s",
			first.from, firstOf(first.from), "make one with: head -c 32 /dev/urandom | base64")
	default:
		r.file = first.file
	}
	return r, nil
}

// firstOf says how a key is put before another.
func firstOf(from string) string {
	if from == kekVariable {
		return kekVariable + `="NEW OLD"`
	}
	return kekVariable + "=NEW or --kek-file NEWFILE, beside " + from
}

// sealedWith names the key-encryption key that the stored ring needs.
func (o *office) sealedWith(ctx context.Context) (string, error) {
	sealed, err := o.sealedRing(ctx)
	if err != nil {
		return "", err
	}
	if sealed == nil {
		return "", errNoKeys
	}
	return keys.SealedWith(sealed)
}

// carryOut has the ring stored under the new key, and puts that in its place.
func (r *replacement) carryOut(ctx context.Context, store func() error) error {
	if r.file == "" {
		return store()
	}
	kept, finished, err := keys.ReplaceKEKFile(r.file, func() (string, error) { return r.office.sealedWith(ctx) }, func(next []byte) error {
		sealer, err := newSealer(append([]kek{{key: next}}, r.keks...))
		if err != nil {
			return err
		}
		r.view.ID = keys.KEKID(next)
		r.office.useKeys(r.place, keys.RotatorConfig{Schedule: keys.DefaultSchedule(), Sealer: sealer})
		return store()
	})
	r.view.Old, r.view.Finished = kept, finished
	if errors.Is(err, keys.ErrInPlace) {
		return fail(exitUnusable, "%w; nothing was done: give a new one before it, here and to the servers (%s), and run this again", err, firstOf("--kek-file "+r.file))
	}
	return err
}

// tell says which key seals, and what is to be done.
func (r *replacement) tell(dry Rehearsal) string {
	switch {
	case dry.DryRun && r.half:
		return fmt.Sprintf("An earlier run was cut short: it would only be finished, with %s.", r.file)
	case dry.DryRun && r.file != "":
		return fmt.Sprintf("The ring would be sealed with a new key-encryption key in %s, and the one before it kept beside it.", r.file)
	case r.file != "":
		return fmt.Sprintf("The ring is sealed with a new key-encryption key, in %s: back it up. The one before it is in %s; backups from before need it, so keep it as long as them, elsewhere. Servers that read that file take the new key within a few seconds; others are not ready, and sign on with what was revoked, until they are started with it.",
			r.file, r.view.Old)
	}
	return fmt.Sprintf("The ring %s sealed with the key-encryption key %s (%s). Start every server with it, and without the old one, which backups from before need.",
		dry.or("is", "would be"), r.view.ID, r.view.From)
}
