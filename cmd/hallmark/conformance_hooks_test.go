package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// TestConformanceHooks: the operator's commands are the hooks, and the real
// program passes every case that needs them.
func TestConformanceHooks(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	p := &program{T: t, binary: buildProgram(t), data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0"}
	p.start()
	defer func() { p.kill() }()
	restarter := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		p.kill()
		p.cmd = exec.Command(p.binary, "serve", "--issuer", p.Issuer, "--data", p.data, "--listen", p.listen, "--ops-listen", "127.0.0.1:0")
		if err := p.cmd.Start(); err != nil {
			t.Error(err)
		}
	}))
	defer restarter.Close()

	d := &desk{T: t, data: p.data, env: map[string]string{}}
	dir := t.TempDir()
	var client struct {
		Secret string `json:"client_secret"`
	}
	d.json(&client, "", "client", "add", "--id=backend", "--auth=client_secret_basic", "--audience", demoAudience)
	secret, password, other, victim := filepath.Join(dir, "secret"), filepath.Join(dir, "password"), filepath.Join(dir, "other"), newPassword()
	d.ok(victim, "user", "add", "victim")
	d.ok("", "client", "add", "--id=other", "--audience", demoAudience)
	d.ok("", "client", "add", "--id=brief", "--audience", demoAudience, "--idle-lifetime=2s", "--absolute-lifetime=5s", "--retry-window=0")
	write(t, secret, client.Secret)
	write(t, password, p.Password)
	write(t, other, victim)

	hallmark := func(line string) string { return fmt.Sprintf("'%s' %s --data '%s'", p.binary, line, p.data) }
	args := []string{
		"conformance", "--issuer", p.Issuer, "--client-id=backend", "--client-secret-file", secret,
		"--username", p.Username, "--password-file", password, "--user2-username=victim", "--user2-password-file", other,
		"--hook-rotate", hallmark("keys rotate --now"), "--hook-restart", "curl -fsS --max-time 40 " + restarter.URL,
		"--hook-revoke-key", hallmark(`keys revoke "$CONFORMANCE_KID" --reason=leaked --yes`),
		"--hook-disable-user", hallmark(`user disable "$CONFORMANCE_USERNAME"`), "--hook-wait=60s", "--json",
		"--hook-crash", "curl -fsS --max-time 40 " + restarter.URL,
		"--hook-switch-alg", hallmark("client change backend --algorithm RS256"),
		"--client2-id=other", "--hook-revoke-grant", hallmark(`client change "$CONFORMANCE_CLIENT_ID" --grant password`),
		"--hook-change-password", `printf '%s\n' "$CONFORMANCE_PASSWORD" | ` + hallmark(`user passwd "$CONFORMANCE_USERNAME"`),
		"--brief-client-id=brief", "--rt-idle=2s", "--rt-lifetime=5s",
	}
	hooked := "rot-*,jwks-kid-not-reused,rt-revoked-*,pw-disabled-user,pw-password-change-revokes,rt-crash-*,rt-expired,rt-idle-*,rt-lifetime-*"
	r := d.run("", append(args, "--only", hooked, "--skip", "rot-never-unpublished,rot-old-removed")...)
	var report conformance.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitOK || report.Count(conformance.Pass) != len(report.Results) || len(report.Results) < 19 {
		t.Errorf("ended with %d, %v: %s\n%s", r.code, err, r.err, r.out)
	}

	// A hook that fails or hangs says so, and proves nothing.
	for command, part := range map[string]string{
		"echo 'no such ring' >&2; exit 3": "no such ring", "sleep 60": "--hook-timeout",
		`test "$CONFORMANCE_ISSUER" = ` + p.Issuer + ` && echo right && false`: "right",
	} {
		r := d.run("", append(args, "--only=rot-old-stays", "--hook-timeout=1s", "--hook-rotate", command)...)
		if r.code != exitFailure || !strings.Contains(r.out, `"inconclusive"`) || !strings.Contains(r.out, part) {
			t.Errorf("%q ended with %d: %s\n%s", command, r.code, r.err, r.out)
		}
	}
	if h := (Hooks{Timeout: time.Second}).hooks(p.Issuer); h.Rotate != nil || h.RevokeKey != nil || h.SwitchAlg != nil || h.Restart != nil || h.Crash != nil ||
		h.DisableUser != nil || h.RevokeGrant != nil || h.ChangePassword != nil {
		t.Error("there are hooks without commands")
	}
}

// What a failing hook wrote is shown in whole lines: of half a secret nobody
// knows that it is one.
func TestTailOfAHook(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		`echo short; exit 1`:                         "short",
		`printf 'secret%0390d\nthe end\n' 0; exit 1`: "the end",
		`printf 'secret%0500d' 0; exit 1`:            "",
	} {
		err := Hooks{Timeout: time.Minute}.run(t.Context(), "--hook-rotate", command)
		if err == nil || strings.TrimSpace(strings.TrimPrefix(err.Error(), "--hook-rotate: exit status 1:")) != want {
			t.Errorf("%s: %v", command, err)
		}
	}
}
