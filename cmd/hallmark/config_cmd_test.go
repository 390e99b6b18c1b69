package main

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestConfigShow: every setting with what it comes to and where it is from.
func TestConfigShow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := configFile(t, "issuer = \"https://login.example.com\"\nlisten = \"file\"\ntrusted-proxy = [\"10.0.0.0/8\", \"::1\"]\nops-insecure = true\naccess-lifetime = \"90s\"")
	store := filepath.Join(t.TempDir(), "store")
	secret := strings.TrimSpace(newPassword())
	write(t, store, "postgres://u:"+secret+"@db/x\n")
	kek := base64.StdEncoding.EncodeToString([]byte("another key-encryption key: 32 B"))
	d.env = map[string]string{"HALLMARK_CONFIG": path, "HALLMARK_LISTEN": "env", "HALLMARK_STORE_FILE": store, "HALLMARK_KEK": kek}
	var shown []shownSetting
	d.json(&shown, "", "config", "show", "--log-level=debug", "--password-workers", "3")
	for name, want := range map[string]shownSetting{
		"config":           {Value: path, From: "environment", Where: "HALLMARK_CONFIG"},
		"issuer":           {Value: "https://login.example.com", From: "file", Where: path},
		"listen":           {Value: "env", From: "environment", Where: "HALLMARK_LISTEN"},
		"ops-listen":       {Value: "127.0.0.1:8081", From: "default"},
		"ops-insecure":     {Value: true, From: "file", Where: path},
		"demo":             {Value: false, From: "default"},
		"log-level":        {Value: "debug", From: "flag"},
		"password-workers": {Value: 3.0, From: "flag"},
		"access-lifetime":  {Value: "1m30s", From: "file", Where: path},
		"idle-lifetime":    {Value: "336h", From: "default"},
		"rotate-every":     {Value: "720h", From: "default"},
		"data":             {Value: d.data, From: "environment", Where: "HALLMARK_DATA"},
		"seen-file":        {Value: filepath.Join(d.data, "kek.seen"), From: "default"},
		"store":            {Value: "postgres://u:xxxxx@db/x", From: "environment", Where: "HALLMARK_STORE_FILE"},
		"kek":              {Value: "xxxxx", From: "environment", Where: "HALLMARK_KEK"},
		"tls-cert":         {From: "default"},
	} {
		i := slices.IndexFunc(shown, func(s shownSetting) bool { return s.Name == name })
		want.Name = name
		if i < 0 || shown[i] != want {
			t.Errorf("%s is shown as %+v, want %+v", name, shown[max(i, 0)], want)
		}
	}
	list := func(name string) any {
		return shown[slices.IndexFunc(shown, func(s shownSetting) bool { return s.Name == name })].Value
	}
	for name, want := range map[string]string{"trusted-proxy": `["10.0.0.0/8","::1"]`, "algorithms": `["ES256","RS256"]`, "kek-file": "[]"} {
		if got, _ := json.Marshal(list(name)); string(got) != want {
			t.Errorf("%s is shown as %s, want %s", name, got, want)
		}
	}
	if n := len(settings(t)) + 1; len(shown) != n {
		t.Errorf("%d settings are shown, want %d", len(shown), n)
	}

	r := d.run("", "config", "show")
	for _, want := range []string{"SETTING ", "listen ", "environment HALLMARK_LISTEN", "(plain HTTP)", "(half the cores)", "10.0.0.0/8 ::1", "file " + path} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, r.out)
		}
	}
	for _, s := range []string{secret, kek} {
		if strings.Contains(r.out+r.err, s) {
			t.Error("a secret is shown")
		}
	}
	delete(d.env, "HALLMARK_KEK")
	if out := d.ok("", "config", "show"); !strings.Contains(out, filepath.Join(d.data, "kek")+" ") {
		t.Errorf("the default key file is not shown:\n%s", out)
	}
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("something was made: %v", left)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if out := d.ok("", "config", "check", "--issuer", someIssuer); out != "ok\n" {
		t.Errorf("printed %q", out)
	}
	r := d.run("", "config", "check", "--issuer", someIssuer, "--listen", ":8080")
	if r.code != exitOK || r.out != "ok\n" || !strings.Contains(r.err, "level=WARN") {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	d.fails(exitUsage, "", []string{"config", "check"}, "--issuer is missing")
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("something was made: %v", left)
	}
}

func TestBrief(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1s": time.Second, "1m": time.Minute, "1m30s": 90 * time.Second, "1h": time.Hour, "1h30m": 90 * time.Minute, "1h0m1s": time.Hour + time.Second, "10m": 10 * time.Minute, "720h": 720 * time.Hour,
	} {
		if got := brief(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
	}
}
