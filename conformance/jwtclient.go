package conformance

// A KeyClient is a client of private_key_jwt.
type KeyClient struct {
	ID string
}
