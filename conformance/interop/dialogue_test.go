package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"
)

// A dialogue is a running script that reads lines and answers with lines: so a
// peer keeps what it has cached while the server changes under it.
type dialogue struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	stderr bytes.Buffer
}

// converse starts a script, which has ten minutes for everything.
func converse(t *testing.T, command ...string) *dialogue {
	t.Helper()
	return converseIn(t, nil, command...)
}

// converseIn does that in an environment.
func converseIn(t *testing.T, env []string, command ...string) *dialogue {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	d := &dialogue{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	d.cmd.Stderr = &d.stderr
	d.cmd.Env = env
	d.cmd.WaitDelay = 5 * time.Second
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.stdin, d.stdout = stdin, bufio.NewScanner(stdout)
	d.stdout.Buffer(nil, 1<<20)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // of a test that stopped half-way
		cancel()
		d.cmd.Wait()
	})
	return d
}

// tell sends a line.
func (d *dialogue) tell(line string) error {
	if _, err := fmt.Fprintln(d.stdin, line); err != nil {
		return fmt.Errorf("%w; it wrote\n%s", err, d.stderr.String())
	}
	return nil
}

// say sends a line and returns the line that answers it.
func (d *dialogue) say(line string) (string, error) {
	if err := d.tell(line); err != nil {
		return "", err
	}
	if !d.stdout.Scan() {
		err := d.cmd.Wait()
		return "", fmt.Errorf("no answer, %v; it wrote\n%s", err, d.stderr.String())
	}
	return d.stdout.Text(), nil
}

// end lets the script come to its end: nothing more is said on either side.
func (d *dialogue) end() error {
	d.stdin.Close()
	if d.stdout.Scan() {
		return fmt.Errorf("it went on with %q", d.stdout.Text())
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("%w; it wrote\n%s", err, d.stderr.String())
	}
	return nil
}
