package storage

import (
	"time"

	"github.com/google/uuid"
)

// A Replica is a server process that goes by the key ring, as it told itself
// when it reported last.
type Replica struct {
	ID        uuid.UUID   // drawn by the process when it began
	Name      string      // for people: where it runs
	Version   Version     // of the ring that it goes by
	AdoptedAt time.Time   // since when, by its own clock
	SeenAt    time.Time   // when it reported, by its own clock
	Seen      ServiceTime // the same in service time, given by the store
}

const (
	// KeepReplica is for how much time in service a Replica stays that reports no more.
	KeepReplica = 24 * time.Hour
	// MaxReplicas is how many a store keeps: those that reported last. A
	// process that begins again and again does not fill it.
	MaxReplicas = 256
	// MaxReplicaName is how many bytes of a name the server keeps in
	// Replica.Name. A store keeps what it is given.
	MaxReplicaName = 80
)

// ForgottenAt reports whether a store keeps the record no longer.
func (r Replica) ForgottenAt(at ServiceTime) bool { return at.Sub(r.Seen) >= KeepReplica }
