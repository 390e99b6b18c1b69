package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
)

// hasty is a schedule under which another key signs every five seconds.
func hasty() keys.Schedule {
	return keys.Schedule{
		Algorithms: []keys.Algorithm{keys.ES256}, RotateEvery: 5 * time.Second, PublishAhead: 4 * time.Second, KeepAfter: 12 * time.Minute,
		MaxAge: time.Second, Poll: 500 * time.Millisecond, Skew: 500 * time.Millisecond,
	}
}

// TestKeyStoreAway: two processes lose the stored key ring, by another process's
// hand, and keep the rest of their store. Everybody signs in, refreshes and
// verifies as before; both processes raise the alarm, say why and are not
// ready; and when the ring is back they go on by themselves.
func TestKeyStoreAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.seed(hasty())
	password := newPassword()
	d.ok(password, "user", "add", "alice")
	d.ok("", "client", "add", "--id=web", "--audience=api", "--retry-window=0")
	fleet := d.launch(2)
	signIn := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {strings.TrimSpace(password)}}
	access, refresh := fleet[0].ask("web", signIn)
	fleet[0].accepts(access)
	db := filepath.Join(d.data, "hallmark.db")

	execSQL(t, db, "ALTER TABLE ring RENAME TO ring_away")
	for _, v := range fleet {
		v.alarmed(20 * time.Second)
	}
	signs := kidOf(t, access)
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // a rotation is due in between
		for _, v := range fleet {
			access, refresh = v.ask("web", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			for _, other := range fleet {
				other.accepts(access)
			}
		}
	}
	for _, v := range fleet {
		access, _ := v.ask("web", signIn)
		v.accepts(access)
		v.alarmed(0)
		if log := v.log.String(); !strings.Contains(log, "key ring: look failed, signing goes on with the ring at hand") || !strings.Contains(log, "no such table") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	}
	stayed := kidOf(t, access)

	execSQL(t, db, "ALTER TABLE ring_away RENAME TO ring")
	for _, v := range fleet {
		v.recovered(20 * time.Second)
		v.until(30*time.Second, "signs with a new key", func() bool {
			access, refresh = v.ask("web", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			v.accepts(access)
			return kidOf(t, access) != signs && kidOf(t, access) != stayed
		})
	}
}

// TestStoreAway: another process holds the whole store locked. Nobody can sign
// in meanwhile, but the key set is served on; the alarm is raised, the log and
// /readyz say why, and it ends by itself.
func TestStoreAway(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: a look may wait for the store for half of it")
	}
	t.Parallel()
	d := newDesk(t)
	d.seed(hasty())
	fleet := d.launch(2)
	release := d.hold()
	for _, v := range fleet {
		v.alarmed(20 * time.Second)
	}
	for _, v := range fleet {
		v.until(90*time.Second, "logs that the look failed", func() bool {
			v.keySet()
			return strings.Contains(v.log.String(), "key ring: look failed, signing goes on with the ring at hand") && v.metric("hallmark_key_ring_look_failures_total") > 0
		})
		v.alarmed(0)
	}
	before := fleet[0].metric("hallmark_key_ring_version")
	release()
	for _, v := range fleet {
		v.recovered(30 * time.Second)
		v.until(30*time.Second, "goes on rotating", func() bool { return v.metric("hallmark_key_ring_version") > before })
	}
}

// alarmed waits until a process says everywhere that its keys are stale.
func (v *vessel) alarmed(most time.Duration) {
	v.Helper()
	v.until(most, "raises the alarm", func() bool { return v.metric("hallmark_key_ring_stale") == 1 })
	if status, body := get(v.T, v.ops+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the key ring was last looked at") {
		v.Errorf("/readyz answers %d %s", status, body)
	}
}

// recovered waits until all is well, with nothing done to the process.
func (v *vessel) recovered(most time.Duration) {
	v.Helper()
	v.until(most, "is ready again, with no alarm", func() bool {
		status, _ := get(v.T, v.ops+"/readyz")
		return status == http.StatusOK && v.metric("hallmark_key_ring_stale") == 0
	})
}

// accepts verifies a token by the key set that the process publishes.
func (v *vessel) accepts(token string) {
	v.Helper()
	verifier, err := verify.New(v.Context(), someIssuer, "api", verify.WithKeySet([]byte(v.keySet())))
	if err != nil {
		v.Fatal(err)
	}
	if _, err := verifier.Verify(v.Context(), token); err != nil {
		v.Error(err)
	}
}
