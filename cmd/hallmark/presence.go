package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// leaveTime bounds the last word of a process: nobody waits for it.
const leaveTime = 2 * time.Second

// A presence is the record in the store of this process, which serves. Its
// methods are called one at a time.
type presence struct {
	store   *sqlite.Store
	replica storage.Replica
}

func newPresence(store *sqlite.Store) *presence {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &presence{store, storage.Replica{ID: uuid.New(), Name: replicaName(host, os.Getpid())}}
}

// replicaName is what people call a process: its number on its host, which in
// a container is the container. Of a name that is too long the beginning goes.
func replicaName(host string, pid int) string {
	name := []rune(printable(host) + fmt.Sprintf("/%d", pid))
	for len(string(name)) > storage.MaxReplicaName {
		name = name[1:]
	}
	return string(name)
}

// report says which version of the key ring the process goes by.
func (p *presence) report(ctx context.Context, v storage.Version) error {
	now := time.Now()
	if v != p.replica.Version {
		p.replica.Version, p.replica.AdoptedAt = v, now
	}
	p.replica.SeenAt = now
	return p.store.ReportReplica(ctx, p.replica)
}

// leave removes the record of a process that does not serve any more.
func (p *presence) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	err := p.store.RemoveReplica(ctx, p.replica.ID)
	if errors.Is(err, storage.ErrNotFound) { // it never reported
		return nil
	}
	return err
}
