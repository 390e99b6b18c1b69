package main

import (
	"crypto"
	"errors"
	"strings"

	"github.com/hallmark-auth/hallmark/keys"
)

const howToDevice = "give --pkcs11-module, --pkcs11-token and --pkcs11-pin-file, or --pkcs11-retire to go on with new keys in the store"

// A device keeps private halves outside of the store.
type device interface {
	Generate(a keys.Algorithm, rsaBits int) (crypto.Signer, error)
	Open(handle string) (crypto.Signer, error)
	Destroy(handle string) error
	Close() error
}

// check finds what is missing, without looking at anything.
func (d Device) check(f *findings) {
	all := []struct{ name, value string }{{"pkcs11-module", d.PKCS11Module}, {"pkcs11-token", d.PKCS11Token}, {"pkcs11-pin-file", d.PKCS11PinFile}}
	var given, missing []string
	for _, s := range all {
		if s.value != "" {
			given = append(given, s.name)
		} else {
			missing = append(missing, s.name)
		}
	}
	switch {
	case len(given) == 0:
	case len(missing) > 0:
		f.add(exitUsage, on(append(missing, given...)...), "--%s without --%s: give all three, or none", given[0], strings.Join(missing, " and --"))
	case !hasPKCS11:
		f.add(exitUsage, on(given...), "--pkcs11-module: this build has no PKCS#11: build with -tags pkcs11")
	}
}

// refuse is check for commands that look at nothing else.
func (d Device) refuse(settings sources) error {
	var f findings
	d.check(&f)
	return f.err(settings.origins)
}

// isGiven reports whether there is a device.
func (d Device) isGiven() bool { return d.PKCS11Module != "" }

// attach lets a rotator keep private halves where the settings say. The device
// is not opened before it is needed.
func (d Device) attach(cfg *keys.RotatorConfig) device {
	if d.isGiven() {
		dev := newDevice(d)
		if cfg.Open, cfg.Destroy = dev.Open, dev.Destroy; !d.PKCS11Retire {
			cfg.Generate = dev.Generate
		}
		return dev
	}
	if d.PKCS11Retire {
		cfg.Open = func(string) (crypto.Signer, error) {
			return nil, errors.New("this process was told to go on without: give --pkcs11-module, --pkcs11-token and --pkcs11-pin-file to sign with it until it is turned over")
		}
	}
	return nil
}

// refuseBlind keeps a server from starting that cannot sign and never will.
func (d Device) refuseBlind(ring keys.Ring) error {
	for _, k := range ring.Keys() {
		if k.External() && !d.isGiven() && !d.PKCS11Retire {
			return fail(exitUnusable, "the private half of %s is in a PKCS#11 token: %s", k, howToDevice)
		}
	}
	return nil
}
