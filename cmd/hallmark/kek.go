package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hallmark-auth/hallmark/keys"
)

// kekVariable holds key-encryption keys as text, separated by white space. It is
// the one thing that is no setting: a key is never an argument, and never
// written where everything else is. HALLMARK_KEK_FILE is --kek-file.
const kekVariable = "HALLMARK_KEK"

// A kek is a key-encryption key and where it was found.
type kek struct {
	key  []byte
	from string // the variable, the setting or the file
	file string // empty: none
}

// keyEncryptionKeys reads them from everywhere they are said to be, in the
// documented order, or else from the default file. sealed is the ring that they
// are for; nil: there is none yet.
func (p *process) keyEncryptionKeys(ctx context.Context, place Place, sealed []byte) (keks []kek, err error) {
	for _, text := range strings.Fields(p.getenv(kekVariable)) {
		key, err := keys.ParseKEK(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kekVariable, err)
		}
		keks = append(keks, kek{key: key, from: kekVariable})
	}
	for _, path := range place.KEKFile {
		found, err := fileKEKs(path, sealed)
		if err != nil {
			return nil, fmt.Errorf("--kek-file: %w", err)
		}
		keks = append(keks, found...)
	}
	if place.KEKCommand != "" {
		key, err := keys.RunKEKCommand(ctx, place.KEKCommand)
		if err != nil {
			return nil, fmt.Errorf("--kek-command: %w", err)
		}
		keks = append(keks, kek{key: key, from: "--kek-command"})
	}
	if len(keks) > 0 {
		return keks, nil
	}
	return defaultKEK(place.kekPath(), sealed)
}

// fileKEKs reads a file, and what is on its way into its place if the ring
// needs that.
func fileKEKs(path string, sealed []byte) (keks []kek, err error) {
	var id string
	if sealed != nil {
		id, _ = keys.SealedWith(sealed) // a ring that cannot be read is refused when it is opened
	}
	found, err := keys.ReadKEKFileFor(path, id)
	if err != nil {
		return nil, err
	}
	for _, key := range found {
		keks = append(keks, kek{key: key, from: path, file: path})
	}
	return keks, nil
}

func defaultKEK(path string, sealed []byte) ([]kek, error) {
	keks, err := fileKEKs(path, sealed)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return keks, err
	case sealed != nil:
		return nil, fmt.Errorf("the signing keys in the store are sealed and %s, their key-encryption key, is missing: put it back, or say where it is with --kek-file, HALLMARK_KEK or --kek-command", path)
	}
	key, err := keys.CreateKEKFile(path)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		key, err = keys.ReadKEKFile(path)
	}
	return []kek{{key: key, from: path, file: path}}, err
}
