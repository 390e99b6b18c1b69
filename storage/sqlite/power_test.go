package sqlite_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/storagetest/disk"
)

// newDisk is one that forgets, where there is a compiler to make it.
func newDisk(t testing.TB) *disk.Disk {
	t.Helper()
	d, err := disk.New(t.TempDir())
	switch {
	case errors.Is(err, disk.ErrNoCompiler) && os.Getenv("HALLMARK_REQUIRE_PEERS") == "":
		t.Skip("not here: gcc")
	case err != nil:
		t.Fatal(err)
	}
	return d
}

func stormWithoutSyncs(path string) error {
	s, err := sqlite.Open(ctx, path, quiet)
	if err == nil {
		err = s.WithoutSyncs()
	}
	if err != nil {
		return err
	}
	return stormOn(s, s.RotateSession)
}

func stormEarly(path string) error {
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		return err
	}
	return stormOn(s, s.RotateEarly)
}

// TestPowerCut: what was answered outlasts a power cut, whatever the disk did
// by itself of what it was not told to sync.
func TestPowerCut(t *testing.T) {
	for kept, keep := range map[string]func(int) int{
		"nothing": noTear,
		"some":    func(n int) int { return rand.IntN(3) * 512 % (n + 1) }, // torn
		"most":    func(n int) int { return n * min(1, rand.IntN(8)) },
	} {
		t.Run(kept, func(t *testing.T) {
			t.Parallel()
			if found := cutPower(t, "storm", keep, 3); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

// TestPowerCutIsSeen: so it is not with synchronous=OFF, nor if the writer
// answers before it has committed; and TestPowerCut would tell.
func TestPowerCutIsSeen(t *testing.T) {
	for _, role := range []string{"storm without syncs", "storm that answers early"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			if found := cutPower(t, role, noTear, 10); len(found) == 0 {
				t.Error("nothing was lost: the disk does not forget, or the check does not see it")
			}
		})
	}
}

func noTear(int) int { return 0 }

// cutPower cuts the power of a process in a role up to so often, and tells what
// was lost the first time that something was.
func cutPower(t *testing.T, role string, keep func(int) int, cuts int) (found []string) {
	t.Helper()
	d, path := newDisk(t), readyForStorm(t)
	last := map[string]storage.RefreshToken{}
	for cut := 0; cut < cuts && len(found) == 0; cut++ {
		c := child(t, role, path)
		c.Env = append(c.Env, d.Forgetful(2*time.Millisecond)...)
		readUntilKilled(t, c, 400, last)
		writes, unsynced, err := d.Cut(keep)
		must(t, err)
		if writes == 0 {
			t.Fatal("the disk saw nothing")
		}
		found = losses(t, path, last)
		t.Logf("%d writes, %d not synced; of %d lineages lost %d", writes, unsynced, len(last), len(found))
	}
	return found
}
