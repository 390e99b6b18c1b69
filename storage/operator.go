package storage

import "time"

// An OperatorToken lets a program act as an operator over HTTP. The token
// itself is shown once, when it is made.
type OperatorToken struct {
	Name      string   // unique; who acts, in the log
	Digest    Digest   // of the token, unique
	Scopes    []string // what it may do
	CreatedAt time.Time
	ExpiresAt time.Time
}
