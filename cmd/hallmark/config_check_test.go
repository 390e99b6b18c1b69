package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// safe are settings that nothing is wrong with.
func safe(more ...string) []string {
	return append([]string{"config", "check", "--issuer", someIssuer}, more...)
}

// TestUnsafe: what must not be served together, each with what to change; and
// what looks like it and is allowed.
func TestUnsafe(t *testing.T) {
	t.Parallel()
	m := makePair(t, nextYear())
	cert, key := m.write(t, t.TempDir())
	secrets, tomorrow := t.TempDir(), time.Now().AddDate(0, 0, 1).UTC().Format(time.DateOnly)
	secret, short, open := filepath.Join(secrets, "secret"), filepath.Join(secrets, "short"), filepath.Join(secrets, "open")
	for path, file := range map[string]struct {
		bytes int
		mode  os.FileMode
	}{secret: {50, 0o600}, short: {31, 0o600}, open: {50, 0o644}} {
		if err := os.WriteFile(path, []byte(strings.Repeat("s", file.bytes)+"\n"), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	d := newDesk(t)
	at := func(name string) string { return filepath.Join(d.data, name) }
	for name, tt := range map[string]struct {
		args []string
		want []string // lines; none: it is allowed
	}{
		"nothing":                       {nil, nil},
		"issuer over http":              {[]string{"--issuer=http://login.example.com"}, []string{"--issuer: |https"}},
		"and with a slash":              {[]string{"--issuer=http://login.example.com/"}, []string{"https|drop the final slash"}},
		"issuer over http on loopback":  {[]string{"--issuer=http://127.0.0.1:8080"}, nil},
		"and with TLS":                  {[]string{"--issuer=http://127.0.0.1:8080", "--tls-cert", cert, "--tls-key", key}, []string{"write https://127.0.0.1:8080"}},
		"issuer over https with TLS":    {[]string{"--tls-cert", cert, "--tls-key", key}, nil},
		"demo with TLS":                 {[]string{"--demo", "--tls-cert", cert, "--tls-key", key}, []string{"--demo|leave out --tls-cert"}},
		"demo with operators' TLS":      {[]string{"--demo", "--ops-tls-cert", cert, "--ops-tls-key", key}, nil},
		"operators for all":             {[]string{"--ops-listen=:8081"}, []string{"--ops-listen :8081 is not on loopback|127.0.0.1|--ops-tls-cert|--ops-insecure"}},
		"operators on every address":    {[]string{"--ops-listen=0.0.0.0:8081"}, []string{"is not on loopback"}},
		"operators on [::]":             {[]string{"--ops-listen=[::]:8081"}, []string{"is not on loopback"}},
		"operators in the network":      {[]string{"--ops-listen=10.0.0.1:8081"}, []string{"is not on loopback"}},
		"operators by a name":           {[]string{"--ops-listen=ops.example.com:8081"}, []string{"is not on loopback"}},
		"operators on 127.0.0.2":        {[]string{"--ops-listen=127.0.0.2:8081"}, nil},
		"operators on ::1":              {[]string{"--ops-listen=[::1]:8081"}, nil},
		"operators on localhost":        {[]string{"--ops-listen=localhost:8081"}, nil},
		"operators with TLS":            {[]string{"--ops-listen=0.0.0.0:8081", "--ops-tls-cert", cert, "--ops-tls-key", key}, nil},
		"operators without, and say so": {[]string{"--ops-listen=0.0.0.0:8081", "--ops-insecure"}, nil},
		"one port":                      {[]string{"--listen=127.0.0.1:8081"}, []string{"--listen and --ops-listen|give them two"}},
		"one port on every address":     {[]string{"--listen=:8081"}, []string{"--listen and --ops-listen"}},
		"one port on another address":   {[]string{"--listen=127.0.0.2:8081"}, nil},
		"any ports":                     {[]string{"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"}, nil},
		"no ports":                      {[]string{"--listen=127.0.0.1", "--ops-listen=127.0.0.1:https"}, []string{"--listen|host:port", "--ops-listen|host:port"}},
		"ports out of range":            {[]string{"--listen=127.0.0.1:65536", "--ops-listen=127.0.0.1:-1"}, []string{"--listen|65535", "--ops-listen|65535"}},
		"lifetimes of nothing":          {[]string{"--access-lifetime=0", "--idle-lifetime=0", "--absolute-lifetime=-1h"}, []string{"--access-lifetime", "--idle-lifetime", "--absolute-lifetime"}},
		"idle inside the retry window":  {[]string{"--idle-lifetime=2m"}, []string{"2 × retry window"}},
		"idle longer than all":          {[]string{"--absolute-lifetime=1h"}, []string{"--idle-lifetime: 336h0m0s is longer"}},
		"token longer than its session": {[]string{"--absolute-lifetime=10m", "--idle-lifetime=10m", "--access-lifetime=11m"}, []string{"--access-lifetime: 11m0s is longer"}},
		"unsafe schedule":               {[]string{"--publish-ahead=1m", "--keep-after=1m", "--algorithms=HS256,none"}, []string{"publish-ahead 1m", "keep-after 1m", "HS256", "none"}},
		"everybody is a proxy":          {[]string{"--trusted-proxy=0.0.0.0/0,::/0"}, []string{"0.0.0.0/0 is everybody", "::/0 is everybody"}},
		"everybody in two halves":       {[]string{"--trusted-proxy=0.0.0.0/1 128.0.0.0/1", "--trusted-proxy=2000::/3"}, []string{"0.0.0.0/1", "128.0.0.0/1", "2000::/3"}},
		"wide networks of one's own":    {[]string{"--trusted-proxy=10.0.0.0/8 fc00::/7"}, nil},
		"user id as another claim":      {[]string{"--simplejwt-client=web", "--simplejwt-user-id-claim=exp"}, []string{`--simplejwt-user-id-claim|"exp" is the server's own`}},
		"old tokens for ever":           {[]string{"--simplejwt-client=web", "--simplejwt-old-key-file=" + secret}, []string{"--simplejwt-old-key-file without --simplejwt-old-until|on which the last one has expired"}},
		"old tokens for nobody":         {[]string{"--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + secret}, []string{"--simplejwt-old-key-file without --simplejwt-client"}},
		"old tokens, and no key":        {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-issuer=x", "--simplejwt-old-audience=y"}, []string{"--simplejwt-old-until without", "--simplejwt-old-issuer without", "--simplejwt-old-audience without"}},
		"old tokens for years":          {[]string{"--simplejwt-client=web", "--simplejwt-old-until=2999-01-31", "--simplejwt-old-key-file=" + secret}, []string{"more than a year ahead"}},
		"old tokens until some day":     {[]string{"--simplejwt-client=web", "--simplejwt-old-until=soon", "--simplejwt-old-key-file=" + secret}, []string{`--simplejwt-old-until "soon": write a day`}},
		"old tokens until then":         {[]string{"--simplejwt-client=web", "--simplejwt-old-until=2020-01-31T12:00:00+01:00", "--simplejwt-old-key-file=" + secret}, nil}, // refused one by one
		"old tokens":                    {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + secret}, nil},
		"old tokens of a short key":     {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + short}, []string{"31 bytes are too short for HS256"}},
		"old tokens of a longer hash":   {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + secret, "--simplejwt-old-algorithm=HS512"}, []string{"50 bytes are too short for HS512"}},
		"old tokens of a public key":    {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + open}, []string{"--simplejwt-old-key-file: others can use|chmod 600"}},
		"old tokens of no file":         {[]string{"--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=/nonexistent/key"}, []string{"--simplejwt-old-key-file: |/nonexistent/key"}},
		"mark over the old key":         {[]string{"--seen-file=" + secret, "--simplejwt-client=web", "--simplejwt-old-until=" + tomorrow, "--simplejwt-old-key-file=" + secret}, []string{"--seen-file and --simplejwt-old-key-file are one file"}},
		"negative workers":              {[]string{"--password-workers=-1"}, []string{"--password-workers"}},
		"mark over the key":             {[]string{"--seen-file=" + at("kek")}, []string{"--seen-file and --kek-file are one file|name two"}},
		"store over the key":            {[]string{"--store=" + at("../x/kek"), "--kek-file=" + at("../x/y/../kek")}, []string{"--store and --kek-file", "--kek-file: "}},
		"mark over the store":           {[]string{"--seen-file=" + at("hallmark.db")}, []string{"--store and --seen-file"}},
		"store over a TLS key":          {[]string{"--store=" + key, "--tls-cert", cert, "--tls-key", key}, []string{"--store and --tls-key"}},
		"key missing":                   {[]string{"--kek-file=/nonexistent/kek"}, []string{"--kek-file: |/nonexistent/kek"}},
		"postgres":                      {[]string{"--store=postgres://db/x"}, []string{"SQLite"}},
		"no data":                       {[]string{"--data="}, []string{"--data"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{T: t, data: d.data}
			r := d.run("", safe(tt.args...)...)
			if len(tt.want) == 0 {
				if r.code != exitOK || r.out != "ok\n" {
					t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
				}
				return
			}
			got := complaints(r.err)
			if r.code != exitUsage && r.code != exitUnusable || r.out != "" || len(got) != len(tt.want) {
				t.Fatalf("ended with %d and %d lines, want %d: %s%s", r.code, len(got), len(tt.want), r.out, r.err)
			}
			for i, parts := range tt.want {
				for part := range strings.SplitSeq(parts, "|") {
					if !strings.Contains(got[i], part) {
						t.Errorf("line %d is %q, without %q", i+1, got[i], part)
					}
				}
			}
		})
	}
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("something was made: %v", left)
	}
}

// All of it is said at once, by serve as by config check; what follows from
// another mistake is not.
func TestUnsafeAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	args := []string{"--listen=127.0.0.1:8081", "--trusted-proxy=x", "--seen-file=" + filepath.Join(d.data, "kek"), "--absolute-lifetime=1s", "--tls-cert=/nonexistent"}
	want := []string{
		"--issuer is missing", "--listen and --ops-listen", "--tls-cert without --tls-key", "--idle-lifetime: 336h0m0s is longer",
		"--access-lifetime: 10m0s is longer", "--trusted-proxy", "--seen-file and --kek-file", "--tls-cert: |/nonexistent",
	}
	d.complains(append([]string{"serve"}, args...), want...)
	d.complains(append([]string{"config", "check"}, args...), want...)

	// An idle lifetime that cannot be read is not compared with another.
	d.env["HALLMARK_IDLE_LIFETIME"] = "long"
	d.complains(safe("--absolute-lifetime=1h"), `HALLMARK_IDLE_LIFETIME: |"long"|10m`)
	// Nor is one that is wrong by itself.
	d.env["HALLMARK_IDLE_LIFETIME"] = "2m"
	d.complains(safe("--absolute-lifetime=1m", "--access-lifetime=1s"), "2 × retry window|[idle-lifetime from HALLMARK_IDLE_LIFETIME]")
	// An issuer of another type is not missing as well.
	d.env = nil
	d.complains([]string{"config", "check", "--config", configFile(t, "issuer = 5")}, "issuer: write a text")
	// The keys are looked at too, which ends with another code.
	d.env = map[string]string{"HALLMARK_KEK": "secret?"}
	d.fails(exitUnusable, "", safe(), "HALLMARK_KEK: ", "base64")
}

// There is a limit to what is said about a file.
func TestFindingsBounded(t *testing.T) {
	d := newDesk(t)
	var text strings.Builder
	for i := range 3 * maxFindings {
		text.WriteString("zz" + strings.Repeat("z", i) + " = 1\n")
	}
	lines := complaints(d.run("", "user", "list", "--config", configFile(t, text.String())).err)
	if len(lines) != maxFindings+1 || lines[maxFindings] != "and 100 more like these" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// What is allowed and often a mistake is said in the log.
func TestWarn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--issuer", someIssuer}, ""},
		{[]string{"--issuer", someIssuer, "--listen=0.0.0.0:8080"}, "--trusted-proxy"},
		{[]string{"--issuer", someIssuer, "--listen=:8080"}, "plain HTTP"},
		{[]string{"--issuer", someIssuer, "--listen=0.0.0.0:8080", "--trusted-proxy=10.1.2.3"}, ""},
		{[]string{"--issuer", someIssuer, "--listen=0.0.0.0:8080", "--tls-cert=x", "--tls-key=y"}, ""},
		{[]string{"--issuer=http://localhost:8080", "--listen=0.0.0.0:8080"}, ""},
		{[]string{"--issuer", someIssuer, "--ops-listen=0.0.0.0:8081", "--ops-insecure"}, "operators are served without TLS"},
		{[]string{"--issuer", someIssuer, "--ops-insecure"}, ""},
	} {
		var log bytes.Buffer
		parse(t, nil, tt.args...).warn(slog.New(slog.NewTextHandler(&log, nil)))
		if (log.Len() == 0) != (tt.want == "") || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%q warns %q, want %q", tt.args, log.String(), tt.want)
		}
	}
	d := newDesk(t)
	if s := d.serve("--issuer", someIssuer, "--ops-listen=0.0.0.0:0", "--ops-insecure"); !strings.Contains(s.err.String(), "level=WARN msg=\"operators are served without TLS") {
		t.Errorf("serve does not warn: %s", s.err.String())
	}
}

func TestRedact(t *testing.T) {
	const secret = "not-shown"
	for store, want := range map[string]string{
		"/var/lib/x.db": "/var/lib/x.db", "sqlite:x.db": "sqlite:x.db", "postgres://u@db:5432/x?sslmode=verify-full": "postgres://u@db:5432/x?sslmode=verify-full",
		"postgres://u:" + secret + "@db/x":                              "postgres://u:xxxxx@db/x",
		"postgres://db/x?user=u&password=" + secret:                     "postgres://db/x?password=xxxxx&user=u",
		"postgres://db/x?passfile=" + secret + "&SSLPassword=" + secret: "postgres://db/x?SSLPassword=xxxxx&passfile=xxxxx",
		"host=db user=u password=" + secret:                             hidden,
		"host=db PASSWORD = '" + secret + "'":                           hidden,
		"postgres://u:" + secret + "%zz@db/x":                           "postgres://xxxxx",
		"u:" + secret + "@db://%zz":                                     hidden,
	} {
		if got := redact(store); got != want || strings.Contains(got, secret) {
			t.Errorf("%s is shown as %s, want %s", store, got, want)
		}
	}
}
