package main

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
)

// storePath returns the database file.
func (p Place) storePath() (string, error) {
	scheme, _, isURL := strings.Cut(p.Store, "://")
	path, isSQLite := strings.CutPrefix(p.Store, "sqlite:")
	switch {
	case p.Data == "":
		return "", usage("--data is empty: name a directory")
	case p.Store == "":
		return filepath.Join(p.Data, "hallmark.db"), nil
	case isSQLite && path != "" && !strings.HasPrefix(path, "//"):
		return path, nil
	case isSQLite:
		return "", usage("--store: write sqlite:PATH, such as sqlite:/var/lib/hallmark/hallmark.db")
	case isURL && strings.HasPrefix(scheme, "postgres"):
		return "", usage("--store: this build keeps its data in SQLite; give the path of a file")
	case isURL:
		return "", usage("--store: %s:// is not a store; give the path of a file", scheme)
	}
	return p.Store, nil
}

// kekPath returns the default key file, which is made on a first start.
func (p Place) kekPath() string { return filepath.Join(p.Data, "kek") }

// seen is what remembers the newest key ring when a backup of the store does not.
// It lies apart from the store where the key-encryption key does: who restores
// the one need not think of the other.
func (p Place) seen() *keys.Seen {
	switch {
	case p.SeenFile != "":
		return keys.NewSeen(p.SeenFile)
	case len(p.KEKFile) > 0:
		return keys.NewSeen(filepath.Join(filepath.Dir(p.KEKFile[0]), "kek.seen"))
	}
	return keys.NewSeen(filepath.Join(p.Data, "kek.seen"))
}

// proxies are the trusted ones. A single address is a prefix of its full length.
func (c Config) proxies() (out []netip.Prefix, err error) {
	for _, text := range c.proxyTexts() {
		prefix, err := parseProxy(text)
		if err != nil {
			return nil, err
		}
		out = append(out, prefix)
	}
	return out, nil
}

func (c Config) proxyTexts() []string { return strings.Fields(strings.Join(c.TrustedProxy, " ")) }

// Shorter prefixes hold everybody, or two of them do.
const leastProxyBits4, leastProxyBits6 = 8, 7 // 10.0.0.0/8, fc00::/7

func parseProxy(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, usage("--trusted-proxy: %q is neither an address nor a prefix: write 10.1.2.3, 10.0.0.0/8 or fd00::/8", text)
	case prefix.Addr().Is4In6():
		return prefix, usage("--trusted-proxy: %s: write the IPv4 prefix by itself, such as 10.0.0.0/8", text)
	case prefix.Addr().Is4() && prefix.Bits() < leastProxyBits4, prefix.Bits() < leastProxyBits6:
		return prefix, usage("--trusted-proxy: %s is everybody, or nearly, and anybody could claim any address: name the proxies alone", text)
	case prefix != prefix.Masked():
		return prefix, usage("--trusted-proxy: %s has bits beyond the prefix: write %s, or the address alone", text, prefix.Masked())
	}
	return prefix, nil
}

// simpleJWT is whom Simple JWT's paths act for.
func (c Config) simpleJWT(old server.OldTokens) server.SimpleJWT {
	return server.SimpleJWT{Client: c.SimpleJWTClient, UserIDClaim: c.SimpleJWTUserIDClaim, Old: old}
}

// standardRSABits goes without saying: a ring that does not say it is one that
// older programs can read.
const standardRSABits = 2048

// schedule is the one that a new store begins with.
func (c Config) schedule() keys.Schedule {
	s := keys.DefaultSchedule()
	if len(c.Algorithms) > 0 {
		s.Algorithms = nil
		for _, a := range c.Algorithms {
			s.Algorithms = append(s.Algorithms, keys.Algorithm(a))
		}
	}
	for _, set := range []struct {
		to   *time.Duration
		seed time.Duration
	}{{&s.RotateEvery, c.RotateEvery}, {&s.PublishAhead, c.PublishAhead}, {&s.KeepAfter, c.KeepAfter}} {
		if set.seed != 0 {
			*set.to = set.seed
		}
	}
	if c.RSABits != standardRSABits {
		s.RSABits = c.RSABits
	}
	return s
}

// ignored names the settings of the seed that differ from the store's schedule.
func (c Config) ignored(s keys.Schedule) (names []string) {
	want := c.schedule()
	for _, setting := range []struct {
		name    string
		differs bool
	}{
		{"algorithms", len(c.Algorithms) > 0 && !slices.Equal(want.Algorithms, s.Algorithms)},
		{"rotate-every", c.RotateEvery != 0 && want.RotateEvery != s.RotateEvery},
		{"publish-ahead", c.PublishAhead != 0 && want.PublishAhead != s.PublishAhead},
		{"keep-after", c.KeepAfter != 0 && want.KeepAfter != s.KeepAfter},
		{"rsa-bits", c.RSABits != 0 && c.RSABits != cmp.Or(s.RSABits, standardRSABits)},
	} {
		if setting.differs {
			names = append(names, setting.name)
		}
	}
	return names
}
