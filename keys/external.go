package keys

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"slices"
	"unicode/utf8"
)

// An External is a private half that is kept outside of the ring, in a
// hardware security module say: the ring has the handle. The Generate of a
// Rotator returns one, its Open makes one of the handle.
type External struct {
	crypto.Signer
	Handle string // up to 1024 bytes of text; no secret
}

// maxHandle bounds a handle, in bytes.
const maxHandle = 1024

func isHandle(s string) bool { return s != "" && len(s) <= maxHandle && utf8.ValidString(s) }

// checkExternal refuses what the ring could not name.
func checkExternal(private crypto.Signer) error {
	if e, ok := private.(External); ok && (e.Signer == nil || !isHandle(e.Handle)) {
		return fmt.Errorf("a private half that is kept outside needs a signer and a handle of 1 to %d bytes of text", maxHandle)
	}
	return nil
}

// handle names a private half that is kept outside; empty for one of the ring.
func (k Key) handle() string {
	if e, ok := k.private.(External); ok {
		return e.Handle
	}
	return ""
}

// External reports whether the private half is kept outside of the ring.
func (k Key) External() bool { return k.handle() != "" }

// drop takes the private half from the ring. The handle of one that is kept
// outside stays with the key until that is gone: whoever stores the ring may
// end before it was removed there, or have no access.
func (k *Key) drop() {
	if h := k.handle(); h != "" {
		k.dropped = h
	}
	k.private = nil
}

// external reports whether any private half is kept outside.
func (r Ring) external() bool {
	return slices.ContainsFunc(r.keys, func(k Key) bool { return k.usable() && k.External() })
}

// complete reports whether every line has a key that signs, or will.
func (r Ring) complete() bool {
	return !slices.ContainsFunc(r.schedule.Algorithms, func(a Algorithm) bool { return r.line(a).oldest() == nil })
}

// sweep removes private halves that the ring has dropped from where they are
// kept. Every process does, and again until it has worked once: the one that
// stored the ring may have ended before. lost is a ring that this one replaced.
func (r *Rotator) sweep(ctx context.Context, lost, ring Ring) {
	if r.cfg.Destroy == nil {
		return
	}
	inUse, swept := map[string]bool{}, map[string]bool{}
	for _, k := range ring.keys {
		inUse[k.handle()] = true
	}
	sweep := func(k Key, handle string) {
		if handle == "" || inUse[handle] {
			return
		}
		done, tried := r.swept[handle]
		if !done && ctx.Err() == nil {
			done = r.destroy(ctx, k.ID, handle, !tried)
		}
		swept[handle] = done
	}
	for _, k := range ring.keys {
		sweep(k, k.dropped)
	}
	for _, k := range lost.keys {
		if ring.find(k.ID) < 0 {
			sweep(k, k.handle())
			sweep(k, k.dropped)
		}
	}
	r.swept = swept
}

// destroy reports whether a private half is gone from where it was kept. It
// says so where it is not, if that is news.
func (r *Rotator) destroy(ctx context.Context, kid, handle string, news bool) bool {
	err := r.cfg.Destroy(handle)
	if err != nil && news {
		r.cfg.Log.LogAttrs(ctx, slog.LevelError, "key ring: a dropped private half is still where it was kept: it is tried again, or remove it there",
			slog.String("kid", kid), slog.String("handle", handle), slog.Any("error", err))
	}
	return err == nil
}
