package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	asServer = "run the doctor as the user that runs the server, on its machine, with the same --data, --store and --kek-file"
	noData   = "the server's data: --data"
)

// dataDir looks at the data directory, and finds out whether this is the
// server's machine at all: one on which nobody named a place and there is none
// is an API's, say.
func (x *examination) dataDir(context.Context) observation {
	info, err := os.Stat(x.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.Store == "" && x.Data == "./hallmark-data":
		x.absent = true
		return lacks(noData)
	case errors.Is(err, fs.ErrNotExist) && x.Store != "":
		return observation{Verdict: skipped, Seen: "not checked: there is no " + x.Data + ", the store is elsewhere"}
	case err != nil:
		return bad(asServer, "%v", err)
	case !info.IsDir():
		return bad("name a directory with --data", "%s is not a directory", x.Data)
	}
	return judgeMode(x.Data, info, 0o700)
}

// judgeMode compares permissions with the most that there may be: what others
// can read is a warning, what they can change a failure.
func judgeMode(path string, info fs.FileInfo, want fs.FileMode) observation {
	mode := info.Mode().Perm()
	more := mode &^ want
	do := "run: chmod " + strings.TrimPrefix(modeText(want), "0") + " " + path
	switch {
	case more&0o022 != 0:
		return bad(do, "%s can be changed by other users (mode %s)", path, modeText(mode))
	case more&0o077 != 0:
		return warn(do, "%s can be read by other users (mode %s)", path, modeText(mode))
	}
	return good("%s, mode %s", path, modeText(mode))
}

func modeText(m fs.FileMode) string {
	digits := []byte{'0', '0' + byte(m>>6&7), '0' + byte(m>>3&7), '0' + byte(m&7)}
	return string(digits)
}

// storeFiles looks at the database and its companions.
func (x *examination) storeFiles(context.Context) observation {
	if x.absent {
		return lacks(noData)
	}
	path, err := x.storePath()
	if err != nil {
		return bad(asServer, "%v", err)
	}
	worst := observation{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		switch {
		case suffix != "" && errors.Is(err, fs.ErrNotExist): // only there while it is open
			continue
		case errors.Is(err, fs.ErrNotExist):
			return bad("name the right one with --data or --store; the first start of the server makes a new one", "there is no store %s", path)
		case err != nil:
			return bad(asServer, "%v", err)
		}
		worst = worse(worst, judgeMode(path+suffix, info, 0o600))
	}
	return worst
}

// worse returns the observation that matters more, the first of equals.
func worse(a, b observation) observation {
	rank := map[string]int{"": 0, isOK: 1, skipped: 2, isWarn: 3, isFail: 4}
	if rank[b.Verdict] > rank[a.Verdict] {
		return b
	}
	return a
}

const (
	leastFree = 100 << 20
	roomyFree = 1 << 30
)

// disk: a full one ends every refresh.
func (x *examination) disk(context.Context) observation {
	path, err := x.storePath()
	if x.absent || err != nil {
		return lacks(noData)
	}
	free, err := freeSpace(filepath.Dir(path))
	switch {
	case err != nil:
		return observation{Verdict: skipped, Seen: "not checked: " + err.Error()}
	case free < leastFree:
		return bad("make room on the disk of "+filepath.Dir(path), "%d MiB free", free>>20)
	case free < roomyFree:
		return warn("make room on the disk of "+filepath.Dir(path), "%d MiB free", free>>20)
	}
	return good("%d MiB free", free>>20)
}

// seenMark compares the file that a restored backup must not bring along.
func (x *examination) seenMark(context.Context) observation {
	if x.absent || x.sealed == 0 {
		return lacks("a store with signing keys")
	}
	seen := x.seen()
	mark, err := seen.Read()
	if err != nil {
		return bad("it must be readable and writable for the server: restore it, or name another with --seen-file", "%v", err)
	}
	switch {
	case mark.Version == 0:
		return warn("the next start of the server makes it; name its place with --seen-file if that is another", "there is no %s: a store that was set back would not be noticed", seen)
	case mark.Version > x.sealed:
		return bad("restore the newest store; if it is lost, `hallmark keys recover` goes on with new keys", "%s has seen version %d of the key ring, the store has %d: it was set back", seen, mark.Version, x.sealed)
	case mark.Version < x.sealed:
		return warn("see that the server can write it, and that its --seen-file or --kek-file is the same", "%s has seen version %d of the key ring, the store has %d", seen, mark.Version, x.sealed)
	}
	info, err := os.Stat(seen.String())
	if err != nil {
		return bad(asServer, "%v", err)
	}
	f := judgeMode(seen.String(), info, 0o600)
	f.Seen += ", version " + number(mark.Version) + " as in the store"
	return f
}
