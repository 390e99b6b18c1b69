//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// endWithChildren lets what the shell started end with it.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // the group that it leads
}
