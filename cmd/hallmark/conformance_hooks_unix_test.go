//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHooksEndWithWhatTheyStarted: what holds the other end of the pipe is a
// child of the shell that runs the hook.
func TestHooksEndWithWhatTheyStarted(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Hooks{Timeout: 5 * time.Second}.run(t.Context(), "--hook-rotate", fmt.Sprintf("(echo here; exec sleep 600) > '%s' & wait", pipe))
	}()
	opened := make(chan *os.File, 1)
	go func() {
		if f, err := os.OpenFile(pipe, os.O_RDONLY, 0); err == nil { // waits for the child
			opened <- f
		}
	}()
	var f *os.File
	select {
	case f = <-opened:
		defer f.Close()
	case err := <-ended:
		t.Fatalf("the hook ended with %v before its child had begun", err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "--hook-timeout") {
		t.Errorf("the hook ended with %v", err)
	}
	left := make(chan error, 1)
	go func() {
		text := make([]byte, 64)
		for {
			if _, err := f.Read(text); err != nil {
				left <- err
				return
			}
		}
	}()
	select {
	case err := <-left:
		if err != io.EOF {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("what the hook started is still there")
	}
}
