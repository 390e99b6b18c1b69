package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
	"github.com/hallmark-auth/hallmark/keys"
)

// TestConformanceNodes: two processes on one store pass the cases about two
// nodes, while keys turn over as fast as is safe.
func TestConformanceNodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.seed(keys.Schedule{
		Algorithms: []keys.Algorithm{keys.ES256}, RotateEvery: time.Hour, PublishAhead: 2500 * time.Millisecond, KeepAfter: 90 * time.Second,
		MaxAge: time.Second, Poll: 200 * time.Millisecond, Skew: 200 * time.Millisecond,
	})
	issuer := "http://" + freeAddress(t)
	nodes := []string{strings.TrimPrefix(issuer, "http://"), freeAddress(t)}
	for _, address := range nodes {
		v := &vessel{T: t, cmd: exec.Command(buildProgram(t), "serve", "--issuer", issuer, "--listen", address, "--ops-listen", "127.0.0.1:0",
			"--data", d.data, "--access-lifetime", "10s")}
		v.cmd.Stderr = &v.log
		if err := v.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.stop)
		v.until(time.Minute, "serves", func() bool { return strings.Contains(v.log.String(), "msg=serving") })
	}

	d.ok("", "client", "add", "--id=app", "--audience", demoAudience)
	password := newPassword()
	d.ok(password, "user", "add", "alice")
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, password)
	r := d.run("", "conformance", "--issuer", issuer, "--second-node", "http://"+nodes[1], "--client-id=app", "--username=alice", "--password-file", file,
		"--hook-rotate", fmt.Sprintf("'%s' keys rotate --data '%s'", buildProgram(t), d.data), "--hook-wait=60s", "--rt-grace=90s",
		"--only=rt-race-multi-node,rot-never-unpublished", "--json")
	var report conformance.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitOK || report.Count(conformance.Pass) != 2 {
		t.Errorf("ended with %d, %v: %s\n%s", r.code, err, r.err, r.out)
	}
}
