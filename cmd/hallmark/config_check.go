package main

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// refuse reports at once what could not be read, what is unsafe, and which of
// the files that the settings name cannot be used.
func (p *process) refuse(c Config) error {
	if p.settings.broken != nil {
		return p.settings.broken
	}
	found := findings{list: slices.Clone(p.settings.list), unread: p.settings.unread}
	c.check(&found)
	c.checkFiles(&found, p.getenv(kekVariable))
	return found.err(p.settings.origins)
}

// check finds what can be wrong without looking at anything.
func (c Config) check(f *findings) {
	c.checkIssuer(f)
	if _, err := c.storePath(); err != nil {
		f.add(exitUsage, on("store"), "%v", err)
	}
	c.checkListeners(f)
	c.checkTLS(f)
	c.checkLifetimes(f)
	if err := c.schedule().Check(); err != nil {
		for line := range strings.Lines(err.Error()) { // a problem each
			f.add(exitUsage, on("algorithms", "rotate-every", "publish-ahead", "keep-after", "rsa-bits"), "key schedule: %s", strings.TrimSpace(line))
		}
	}
	if err := (password.Config{Workers: c.PasswordWorkers}).Validate(); err != nil {
		f.add(exitUsage, on("password-workers"), "--password-workers: %v", err)
	}
	for _, text := range c.proxyTexts() {
		if _, err := parseProxy(text); err != nil {
			f.add(exitUsage, on("trusted-proxy"), "%v", err)
		}
	}
	if err := c.simpleJWT(server.OldTokens{}).Check(); err != nil {
		f.add(exitUsage, on("simplejwt-user-id-claim"), "--simplejwt-user-id-claim: %v", err)
	}
	c.OldTokens.check(f, c.SimpleJWTClient != "", time.Now())
	c.Device.check(f)
	c.checkPaths(f)
}

func (c Config) checkIssuer(f *findings) {
	switch {
	case c.Issuer == "" && !c.Demo:
		f.add(exitUsage, on("issuer"), "--issuer is missing: give the URL under which clients reach this server, or try it out with --demo")
	case c.Issuer == "":
	default:
		if err := checkIssuer(c.Issuer); err != nil {
			f.add(exitUsage, on("issuer"), "%v", err)
		} else if c.TLSCert != "" && strings.HasPrefix(c.Issuer, "http:") {
			f.add(exitUsage, on("issuer", "tls-cert"), "--issuer: with --tls-cert clients reach this server by https: write https:%s", strings.TrimPrefix(c.Issuer, "http:"))
		}
	}
}

func (c Config) checkListeners(f *findings) {
	for _, l := range []struct{ setting, address string }{{"listen", c.Listen}, {"ops-listen", c.OpsListen}} {
		if err := checkAddress(l.address); err != nil {
			f.add(exitUsage, on(l.setting), "--%s %q: %v; give host:port, such as 127.0.0.1:8080", l.setting, l.address, err)
		}
	}
	if overlap(c.Listen, c.OpsListen) {
		f.add(exitUsage, on("listen", "ops-listen"), "--listen and --ops-listen take the same port %s: the public must never reach the operators' listener, so give them two", c.OpsListen)
	}
	if !onLoopback(c.OpsListen) && c.OpsTLSCert == "" && !c.OpsInsecure {
		f.add(exitUsage, on("ops-listen", "ops-tls-cert"), "--ops-listen %s is not on loopback, and operators would be served without TLS: listen on 127.0.0.1, give --ops-tls-cert and --ops-tls-key, or say with --ops-insecure that something else protects it", c.OpsListen)
	}
}

// checkAddress refuses what cannot be listened on. Names are not looked up.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("it is not an address with a port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("a port is a number from 0 to 65535")
	}
	return nil
}

// onLoopback reports an address that this machine alone can reach. One that is
// no address is not.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// overlap reports two addresses that cannot both be listened on.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	everywhere := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

func (c Config) checkTLS(f *findings) {
	for _, pair := range c.pairs() {
		switch {
		case pair.cert != "" && pair.key == "":
			f.add(exitUsage, on(pair.keySetting(), pair.certSetting()), "--%s without --%s: give both, or neither", pair.certSetting(), pair.keySetting())
		case pair.cert == "" && pair.key != "":
			f.add(exitUsage, on(pair.certSetting(), pair.keySetting()), "--%s without --%s: give both, or neither", pair.keySetting(), pair.certSetting())
		}
	}
	if c.Demo && (c.TLSCert != "" || c.TLSKey != "") {
		f.add(exitUsage, on("demo", "tls-cert"), "--demo is for trying things out and speaks plain HTTP: leave out --tls-cert and --tls-key, or start without --demo")
	}
}

// The audit keeps at least so much: less would be of no use to anybody.
const (
	leastAuditAge  = time.Hour
	leastAuditRows = 3000
)

func (c Config) checkLifetimes(f *findings) {
	for _, life := range []struct {
		name string
		is   time.Duration
	}{{"access-lifetime", c.AccessLifetime}, {"idle-lifetime", c.IdleLifetime}, {"absolute-lifetime", c.AbsoluteLifetime}} {
		if life.is < time.Second {
			f.add(exitUsage, on(life.name), "--%s: %s is too short: at least 1s", life.name, life.is)
		}
	}
	if c.IdleLifetime >= time.Second && c.IdleLifetime < 2*storage.DefaultRetryWindow {
		f.add(exitUsage, on("idle-lifetime"), "--idle-lifetime: %s is too short: a refresh that is answered again inside the retry window is not recorded as use, so sessions in use would expire: 2 × retry window %s = %s at least",
			c.IdleLifetime, storage.DefaultRetryWindow, 2*storage.DefaultRetryWindow)
	}
	if c.IdleLifetime > c.AbsoluteLifetime {
		f.add(exitUsage, on("idle-lifetime", "absolute-lifetime"), "--idle-lifetime: %s is longer than the absolute lifetime %s: a session cannot idle longer than it lives", c.IdleLifetime, c.AbsoluteLifetime)
	}
	if c.AuditAge < leastAuditAge {
		f.add(exitUsage, on("audit-age"), "--audit-age: %s is too short: at least %s", c.AuditAge, leastAuditAge)
	}
	if c.AuditRows < leastAuditRows {
		f.add(exitUsage, on("audit-rows"), "--audit-rows: %d are too few: at least %d", c.AuditRows, leastAuditRows)
	}
	if c.AccessLifetime > c.AbsoluteLifetime {
		f.add(exitUsage, on("access-lifetime", "absolute-lifetime"), "--access-lifetime: %s is longer than the absolute lifetime %s: a token would outlive its session", c.AccessLifetime, c.AbsoluteLifetime)
	}
}

// checkPaths keeps what the server writes away from what it only reads: the
// mark in place of the key-encryption key would destroy it.
func (c Config) checkPaths(f *findings) {
	store, err := c.storePath()
	if err != nil {
		return
	}
	written := []struct{ setting, path string }{{"store", store}, {"seen-file", c.seen().String()}}
	read := []struct{ setting, path string }{
		{"config", c.ConfigFile}, {"tls-cert", c.TLSCert}, {"tls-key", c.TLSKey}, {"ops-tls-cert", c.OpsTLSCert}, {"ops-tls-key", c.OpsTLSKey},
		{"pkcs11-module", c.PKCS11Module}, {"pkcs11-pin-file", c.PKCS11PinFile},
		{"simplejwt-old-key-file", c.SimpleJWTOldKeyFile},
	}
	keks := c.KEKFile
	if len(keks) == 0 {
		keks = []string{c.kekPath()}
	}
	for _, path := range keks {
		read = append(read, struct{ setting, path string }{"kek-file", path})
	}
	for i, w := range written {
		for _, other := range append(read, written[i+1:]...) {
			if other.path != "" && samePath(w.path, other.path) {
				f.add(exitUsage, on(w.setting, other.setting), "--%s and --%s are one file, %s, and the server writes to it: name two", w.setting, other.setting, w.path)
			}
		}
	}
}

func samePath(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// checkFiles looks into the files that have to be there before a start.
func (c Config) checkFiles(f *findings, kek string) {
	for _, pair := range c.pairs() {
		certText, keyText, ok := pair.read(f)
		if !ok || pair.cert == "" || pair.key == "" {
			continue
		}
		if _, err := pair.parse(certText, keyText); err != nil {
			f.add(exitUsage, on(pair.certSetting(), pair.keySetting()), "%v", err)
		}
	}
	for _, text := range strings.Fields(kek) {
		if _, err := keys.ParseKEK(text); err != nil {
			f.add(exitUnusable, nil, "%s: %v", kekVariable, err)
		}
	}
	for _, path := range c.KEKFile {
		if _, err := keys.ReadKEKFile(path); err != nil {
			f.add(exitUnusable, on("kek-file"), "--kek-file: %v", err)
		}
	}
	if c.SimpleJWTOldKeyFile != "" {
		old, err := c.OldTokens.read()
		if until, wrong := c.OldTokens.until(); wrong != nil || until.IsZero() {
			err = nil // check has said it
		} else if err == nil {
			err = old.Check()
		}
		if err != nil {
			f.add(exitUnusable, on("simplejwt-old-key-file", "simplejwt-old-algorithm"), "--simplejwt-old-key-file: %v", err)
		}
	}
	if c.PKCS11PinFile != "" {
		if _, err := keys.ReadPINFile(c.PKCS11PinFile); err != nil {
			f.add(exitUnusable, on("pkcs11-pin-file"), "--pkcs11-pin-file: %v", err)
		}
	}
}

// warn says what is allowed and often a mistake.
func (c Config) warn(log *slog.Logger) {
	c.OldTokens.warn(log, time.Now())
	if c.TLSCert == "" && !onLoopback(c.Listen) && len(c.proxyTexts()) == 0 && strings.HasPrefix(c.Issuer, "https:") {
		log.Warn("the public listener speaks plain HTTP and is not on loopback: a proxy must end TLS in front of it; name that with --trusted-proxy, or give --tls-cert", "listen", c.Listen)
	}
	if c.OpsInsecure && c.OpsTLSCert == "" && !onLoopback(c.OpsListen) {
		log.Warn("operators are served without TLS off loopback: nobody else may reach that address", "ops_listen", c.OpsListen)
	}
}

// checkIssuer refuses what nobody should verify tokens of. An issuer is
// compared byte for byte everywhere, so it is kept as typed.
func checkIssuer(issuer string) error {
	plain := strings.TrimRight(issuer, "/")
	switch err := discovery.CheckIssuer(plain); {
	case err != nil && plain != issuer:
		return usage("--issuer: %w; write it like https://login.example.com, and drop the final slash", err)
	case err != nil:
		return usage("--issuer: %w; write it like https://login.example.com", err)
	case plain != issuer:
		return usage("--issuer: drop the final slash: write %s; issuers are compared byte for byte", plain)
	}
	return nil
}

// hidden stands where a secret is.
const hidden = "xxxxx"

// redact hides the password in the name of a store. A path holds none.
func redact(store string) string {
	scheme, _, isURL := strings.Cut(store, "://")
	if !isURL {
		if lower := strings.ToLower(store); strings.Contains(lower, "pass") && strings.Contains(lower, "=") { // host=... password=...
			return hidden
		}
		return store
	}
	if strings.ContainsAny(scheme, ":@/ ") { // no URL after all
		return hidden
	}
	u, err := url.Parse(store)
	if err != nil {
		return scheme + "://" + hidden
	}
	changed := false
	if _, has := u.User.Password(); has {
		u.User, changed = url.UserPassword(u.User.Username(), hidden), true
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "pass") {
			query.Set(name, hidden)
			u.RawQuery, changed = query.Encode(), true
		}
	}
	if !changed {
		return store
	}
	return u.String()
}
