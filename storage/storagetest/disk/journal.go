package disk

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// A record is one entry of the journal, as testdata/disk.c writes it.
type record struct {
	at            uint64 // in the journal
	kind          uint32 // 'W', 'T' or 'S'
	name          string
	offset, size  uint64
	before, after []byte
}

const headerSize = 32

func parse(journal []byte, at uint64) (r record, next uint64, ok bool) {
	if uint64(len(journal)) < at+headerSize {
		return r, 0, false
	}
	h, body := journal[at:at+headerSize], journal[at+headerSize:]
	le := binary.LittleEndian
	name, before, after := uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[24:])), uint64(le.Uint32(h[28:]))
	if uint64(len(body)) < name+before+after {
		return r, 0, false
	}
	return record{
		at: at, kind: le.Uint32(h), name: string(body[:name]),
		offset: le.Uint64(h[8:]), size: le.Uint64(h[16:]),
		before: body[name : name+before], after: body[name+before : name+before+after],
	}, at + headerSize + name + before + after, true
}

// after drops the records that a sync covered.
func after(records []record, covered uint64) []record {
	return slices.DeleteFunc(records, func(r record) bool { return r.at < covered })
}

// undo takes all that was not covered back, the last first, and does again
// what keep says the disk had done by itself.
func undo(name string, records []record, keep func(n int) int) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) { // removed: directory entries are durable at once
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for _, r := range slices.Backward(records) {
		if err := f.Truncate(int64(r.size)); err != nil {
			return err
		}
		if _, err := f.WriteAt(r.before, int64(r.offset)); err != nil {
			return err
		}
	}
	for _, r := range records {
		n := keep(max(len(r.after), 1))
		switch {
		case r.kind == 'W' && n > 0:
			_, err = f.WriteAt(r.after[:n], int64(r.offset))
		case r.kind == 'T' && n > 0:
			err = f.Truncate(int64(r.offset))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
