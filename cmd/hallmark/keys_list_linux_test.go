package main

import (
	"bufio"
	"context"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// TestKeysListWidth: at a terminal, the drawing is as wide as that.
func TestKeysListWidth(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t)
	for _, width := range []uint16{72, 140} {
		person, program := openTerminal(t)
		size := [4]uint16{50, width}
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, program.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); e != 0 {
			t.Fatal(e)
		}
		done := make(chan int, 1)
		var errs lockedBuffer
		go func() {
			done <- run(context.Background(), []string{"keys", "list", "--data", d.data}, strings.NewReader(""), program, &errs, nil)
			program.Close()
		}()
		widest := 0
		for s := bufio.NewScanner(person); s.Scan() && !strings.HasPrefix(s.Text(), "( published"); {
			widest = max(widest, utf8.RuneCountInString(strings.TrimSpace(s.Text()))+1)
			if n := utf8.RuneCountInString(strings.TrimRight(s.Text(), "\r")); n > int(width) {
				t.Errorf("%d columns on %d: %q", n, width, s.Text())
			}
		}
		person.Close()
		if code := <-done; code != exitOK && code != exitFailure { // its reader is gone
			t.Errorf("ended with %d: %s", code, errs.String())
		}
		if rule := int(width) - len("  waiting  12345678  "); widest < rule {
			t.Errorf("%d of %d columns are used", widest, width)
		}
	}
}
