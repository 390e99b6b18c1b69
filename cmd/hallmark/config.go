package main

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// Config is all that the server can be told. The help texts are the manual;
// every setting can be given as a flag or in the environment.
type Config struct {
	Place   `group:"Store and keys"`
	Logging `group:"Log"`

	Issuer    string `setting:"" placeholder:"URL" help:"Who issues the tokens: their \"iss\", byte for byte, and the URL under which clients reach the public listener. https, except on loopback; without query, fragment or final slash. Required, except with --demo, which takes the address it listens on."`
	Listen    string `setting:"" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to serve the public: plain HTTP, behind a proxy that ends TLS. Port 0 takes a free one."`
	OpsListen string `setting:"" default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where to serve operators (/healthz, /readyz). Never let the public reach it."`
	Demo      bool   `setting:"" help:"Try it out: make a user, a public client and an API in the same process, and print lines to paste. Refused on a store with other users."`

	Sessions `group:"Lifetimes"`
	Seed     `group:"Key schedule of a new store (kept in the store from then on)"`

	TrustedProxy []string `setting:"" placeholder:"CIDR" help:"Address or prefix of a proxy in front of the server that is believed what it says in X-Forwarded-For. Repeatable, or separated by commas or spaces. Without it everybody behind a proxy is one network to the sign-in throttle, and the log shows the proxy's address."`

	PasswordWorkers int `setting:"" placeholder:"N" help:"How many passwords may be hashed at once, 19 MiB each. Default: half the cores."`
}

// Place says where the data and the keys to it are. All operator's commands take it.
type Place struct {
	Data       string   `setting:"" default:"./hallmark-data" placeholder:"DIR" help:"Directory of everything kept on this machine; made with mode 0700."`
	Store      string   `setting:"" placeholder:"FILE" help:"The SQLite database: a path or sqlite:PATH. Default: hallmark.db in the data directory."`
	KEKFile    []string `name:"kek-file" setting:"" sep:"none" placeholder:"FILE" help:"File with a key-encryption key (32 bytes in base64), which seals the signing keys in the store. Repeatable: the first seals, any opens. Default: kek in the data directory, made on a first start. Back it up apart from the store: without it the signing keys are lost. A key may also be given as text in HALLMARK_KEK."`
	KEKCommand string   `name:"kek-command" setting:"" placeholder:"COMMAND" help:"Command whose output is a key-encryption key in base64; run by the shell. Order of sources: HALLMARK_KEK, files, command."`
	SeenFile   string   `name:"seen-file" setting:"" placeholder:"FILE" help:"File that remembers the newest key ring and the revoked keys, so that a store which was set back to an older state is refused. It must be writable, and must not be restored together with the database. Default: kek.seen beside the first --kek-file, or else in the data directory."`
}

// Operation is what all operator's commands take.
type Operation struct {
	Place   `group:"Store and keys"`
	Logging `group:"Log"`
	Output
}

// Logging says what is logged, always to standard error.
type Logging struct {
	LogFormat string `setting:"" default:"text" enum:"text,json" help:"Format of the log: ${enum}."`
	LogLevel  string `setting:"" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`
}

// Sessions are the lifetimes for clients whose record does not set their own.
type Sessions struct {
	AccessLifetime   time.Duration `setting:"" default:"10m" placeholder:"DURATION" help:"How long an access token is good. A client's record may say otherwise, here and below."`
	IdleLifetime     time.Duration `setting:"" default:"336h" placeholder:"DURATION" help:"How long a session lives without a refresh."`
	AbsoluteLifetime time.Duration `setting:"" default:"2160h" placeholder:"DURATION" help:"How long a session lives at most."`
}

// Seed is the key schedule that a new store begins with.
type Seed struct {
	Algorithms   []string      `setting:"" sep:"," placeholder:"ALG" help:"Signature algorithms, each with its own line of keys; the first is the default. Default: ES256,RS256 (separated by commas)."`
	RotateEvery  time.Duration `setting:"" placeholder:"DURATION" help:"How long a key signs. Default: 30 days."`
	PublishAhead time.Duration `setting:"" placeholder:"DURATION" help:"How long a key is in the key set before it signs. Default: 25h."`
	KeepAfter    time.Duration `setting:"" placeholder:"DURATION" help:"How long a key stays in the key set after it stopped signing. Default: 25h."`
}

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

// check finds what can be wrong without looking at anything.
func (c Config) check() error {
	if c.Issuer == "" && !c.Demo {
		return usage("--issuer is missing: give the URL under which clients reach this server, or try it out with --demo")
	}
	if c.Issuer != "" {
		if err := checkIssuer(c.Issuer); err != nil {
			return err
		}
	}
	s := c.schedule()
	if err := s.Check(); err != nil {
		return usage("key schedule: %w", err)
	}
	if err := (password.Config{Workers: c.PasswordWorkers}).Validate(); err != nil {
		return usage("--password-workers: %w", err)
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	switch {
	case c.AccessLifetime < time.Second || c.IdleLifetime < time.Second || c.AbsoluteLifetime < time.Second:
		return usage("--access-lifetime, --idle-lifetime and --absolute-lifetime: at least 1s each")
	case c.IdleLifetime > c.AbsoluteLifetime:
		return usage("--idle-lifetime: %s is longer than the absolute lifetime %s: a session cannot idle longer than it lives", c.IdleLifetime, c.AbsoluteLifetime)
	case c.IdleLifetime < 2*storage.DefaultRetryWindow:
		return usage("--idle-lifetime: %s is too short: a refresh that is answered again inside the retry window is not recorded as use, so sessions in use would expire: 2 × retry window %s = %s at least",
			c.IdleLifetime, storage.DefaultRetryWindow, 2*storage.DefaultRetryWindow)
	}
	return nil
}

// proxies are the trusted ones. A single address is a prefix of its full length.
func (c Config) proxies() (out []netip.Prefix, err error) {
	for _, text := range strings.Fields(strings.Join(c.TrustedProxy, " ")) {
		prefix, err := parseProxy(text)
		if err != nil {
			return nil, err
		}
		out = append(out, prefix)
	}
	return out, nil
}

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
	case prefix.Bits() == 0:
		return prefix, usage("--trusted-proxy: %s is everybody, and anybody could claim any address: name the proxies alone", text)
	case prefix != prefix.Masked():
		return prefix, usage("--trusted-proxy: %s has bits beyond the prefix: write %s, or the address alone", text, prefix.Masked())
	}
	return prefix, nil
}

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
	} {
		if setting.differs {
			names = append(names, setting.name)
		}
	}
	return names
}

// checkIssuer refuses what nobody should verify tokens of. An issuer is
// compared byte for byte everywhere, so it is kept as typed.
func checkIssuer(issuer string) error {
	if strings.HasSuffix(issuer, "/") {
		return usage("--issuer: drop the final slash: write %s; issuers are compared byte for byte", strings.TrimRight(issuer, "/"))
	}
	if err := discovery.CheckIssuer(issuer); err != nil {
		return usage("--issuer: %w", err)
	}
	return nil
}
