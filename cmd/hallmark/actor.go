package main

import (
	"fmt"
	"os"
	"os/user"

	"github.com/hallmark-auth/hallmark/storage"
)

// actor is who runs a command, for the audit: the user of this machine. Only
// root is believed on whose behalf it acts.
func (p *process) actor() *storage.Act {
	name := fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if by := p.getenv("SUDO_USER"); by != "" && os.Getuid() == 0 {
		name += " (sudo " + by + ")"
	}
	return &storage.Act{Actor: storage.Actor{Kind: storage.ByPerson, Name: clip(printable(name))}, Address: storage.Local}
}
