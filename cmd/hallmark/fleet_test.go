package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A vessel is one of several server processes on one directory.
type vessel struct {
	*testing.T
	cmd         *exec.Cmd
	log         lockedBuffer
	public, ops string // URLs
}

// launch starts n processes at once, and waits until they serve.
func (d *desk) launch(n int) []*vessel {
	d.Helper()
	var fleet []*vessel
	for range n {
		v := &vessel{T: d.T, cmd: exec.Command(buildProgram(d.T), serveArgs("--data", d.data)...)}
		v.cmd.Stderr = &v.log
		fleet = append(fleet, v)
	}
	for _, v := range fleet {
		if err := v.cmd.Start(); err != nil {
			d.Fatal(err)
		}
		d.Cleanup(v.stop)
	}
	serving := regexp.MustCompile(`msg=serving .*public=(\S+) operators=(\S+)`)
	for _, v := range fleet {
		v.until(3*time.Minute, "serves", func() bool {
			found := serving.FindStringSubmatch(v.log.String())
			if found != nil {
				v.public, v.ops = "http://"+found[1], "http://"+found[2]
			}
			return found != nil
		})
	}
	return fleet
}

func (v *vessel) stop() {
	v.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(time.Minute, func() { v.cmd.Process.Kill() })
	defer late.Stop()
	if err := v.cmd.Wait(); err != nil {
		v.Errorf("a process ended with %v; it wrote\n%s", err, v.log.String())
	}
}

func (v *vessel) until(most time.Duration, what string, done func() bool) {
	v.Helper()
	for deadline := time.Now().Add(most); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.Fatalf("not in %s: a process %s; it wrote\n%s", most, what, v.log.String())
		}
	}
}

func (v *vessel) keySet() string {
	v.Helper()
	status, body := get(v.T, v.public+"/.well-known/jwks.json")
	if status != http.StatusOK {
		v.Fatalf("the key set was answered %d %s", status, body)
	}
	return body
}

// metric reads one that has no labels.
func (v *vessel) metric(name string) float64 {
	v.Helper()
	_, text := get(v.T, v.ops+"/metrics")
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		v.Fatalf("no %s in\n%s", name, text)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		v.Fatal(err)
	}
	return value
}

// ask posts to the token endpoint and wants a token.
func (v *vessel) ask(client string, form url.Values) (access, refresh string) {
	v.Helper()
	form.Set("client_id", client)
	resp, err := http.PostForm(v.public+"/oauth2/token", form)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		v.Fatalf("answered %s, %v; it wrote\n%s", resp.Status, err, v.log.String())
	}
	return answer.Access, answer.Refresh
}

// seed makes a store whose key ring has a schedule that no flag could give it.
func (d *desk) seed(schedule keys.Schedule) {
	d.Helper()
	kek, err := keys.CreateKEKFile(filepath.Join(d.data, "kek"))
	if err != nil {
		d.Fatal(err)
	}
	sealer, err := keys.NewSealer(kek)
	if err != nil {
		d.Fatal(err)
	}
	store, err := sqlite.Open(d.Context(), filepath.Join(d.data, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		d.Fatal(err)
	}
	defer store.Close()
	r := keys.NewRotator(keys.RotatorConfig{
		Store: store, Sealer: sealer, Seen: keys.NewSeen(filepath.Join(d.data, "kek.seen")), Schedule: schedule, ServiceTime: store.ServiceTime,
	})
	if err := r.Start(d.Context()); err != nil {
		d.Fatal(err)
	}
}

// TestTwentyTogether: twenty processes started at once where there is nothing
// yet, not even a key-encryption key, publish one key set, in which one key of
// each line signs, at all of them; and so it stays.
func TestTwentyTogether(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.data = filepath.Join(d.data, "new")
	fleet := d.launch(20)
	password := newPassword()
	d.ok(password, "user", "add", "alice")
	d.ok("", "client", "add", "--id=ES256", "--audience=api")
	d.ok("", "client", "add", "--id=RS256", "--audience=api", "--algorithm=RS256")
	signed := map[string]map[string]bool{"ES256": {}, "RS256": {}}
	check := func() {
		t.Helper()
		first := fleet[0].keySet()
		var set struct{ Keys []struct{ Kid, Alg string } }
		if err := json.Unmarshal([]byte(first), &set); err != nil || len(set.Keys) != 4 {
			t.Fatalf("the key set is %s, %v", first, err)
		}
		for i, v := range fleet {
			if got := v.keySet(); got != first {
				t.Errorf("process %d publishes\n%s\nand the first one\n%s", i, got, first)
			}
			if version, failures := v.metric("hallmark_key_ring_version"), v.metric("hallmark_key_ring_look_failures_total"); version != 1 || failures != 0 {
				t.Errorf("process %d is at version %v after %v failures", i, version, failures)
			}
		}
	}
	check()
	for _, v := range fleet {
		for alg, kids := range signed {
			access, _ := v.ask(alg, url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {strings.TrimSpace(password)}})
			kids[kidOf(t, access)] = true
		}
	}
	states := map[string]int{}
	for _, key := range d.many("keys", "list") {
		states[fmt.Sprint(key["alg"], " ", key["state"])]++
		if key["state"] == "signing" && !signed[key["alg"].(string)][key["kid"].(string)] {
			t.Errorf("%v signs by the list, and %v signed", key, signed)
		}
	}
	for _, alg := range []string{"ES256", "RS256"} {
		if len(signed[alg]) != 1 || states[alg+" signing"] != 1 || states[alg+" waiting"] != 1 {
			t.Errorf("signed with %v; listed are %v", signed[alg], states)
		}
	}
	time.Sleep(2*keys.DefaultSchedule().Poll + time.Second)
	check()
	entries, err := os.ReadDir(d.data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // what each made for itself and nobody took is gone
		if !strings.HasPrefix(e.Name(), "hallmark.db") && e.Name() != "kek" && e.Name() != "kek.seen" && e.Name() != "kek.seen.lock" {
			t.Errorf("%s is left over", e.Name())
		}
	}
}

// kidOf reads the header of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	segment, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(segment)
	var h struct{ Kid string }
	if err != nil || json.Unmarshal(header, &h) != nil || h.Kid == "" {
		t.Fatalf("the header is %s, %v", header, err)
	}
	return h.Kid
}
