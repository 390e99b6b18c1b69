package sqlstore

import (
	"context"

	"github.com/hallmark-auth/hallmark/storage"
)

type clientRow struct {
	Number     int64  `db:"number"`
	ID         string `db:"client_id"`
	Name       string `db:"name"`
	AuthMethod string `db:"auth_method"`
	Secrets    []byte `db:"secrets"` // digests, one after the other
	Policy     string `db:"policy"`
	CreatedAt  int64  `db:"created_at"`
}

const (
	clientColumns = `client_id, name, auth_method, secrets, policy, created_at`

	insertClient = `INSERT INTO clients (` + clientColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	selectNumber     = `SELECT number FROM clients WHERE client_id = $1`
	selectClient     = `SELECT number, ` + clientColumns + ` FROM clients WHERE number = $1`
	selectClientByID = `SELECT number, ` + clientColumns + ` FROM clients WHERE client_id = $1`
	updateClient     = `UPDATE clients SET name = $1, secrets = $2, policy = $3 WHERE client_id = $4`
	deleteClient     = `DELETE FROM clients WHERE client_id = $1`
	selectClients    = `SELECT number, ` + clientColumns + ` FROM clients ORDER BY client_id`
)

// CreateClient gives the client its number; ErrConflict when the id is taken.
func CreateClient(ctx context.Context, q Querier, c storage.Client) (storage.Client, error) {
	policy, err := encode("policy", c.ClientPolicy)
	if err != nil {
		return storage.Client{}, err
	}
	c.CreatedAt = instant(micros(c.CreatedAt)) // as it will be read
	err = must(ctx, q, storage.ErrConflict, insertClient,
		c.ID, c.Name, string(c.AuthMethod), joinDigests(c.Secrets), policy, micros(c.CreatedAt))
	if err != nil {
		return storage.Client{}, err
	}
	if c.Number, err = one[int64](ctx, q, selectNumber, c.ID); err != nil {
		return storage.Client{}, err
	}
	return c, Record(ctx, q, storage.ClientAdded(c))
}

// ChangeClient does what storage.ClientChange says; ErrNotFound, ErrConflict.
func ChangeClient(ctx context.Context, q Querier, id string, change storage.ClientChange) (storage.Client, error) {
	before, err := ClientByID(ctx, q, id)
	if err != nil {
		return storage.Client{}, err
	}
	after, err := change.Apply(before)
	if err != nil {
		return before, err
	}
	policy, err := encode("policy", after.ClientPolicy)
	if err != nil {
		return before, err
	}
	if err := must(ctx, q, storage.ErrNotFound, updateClient, after.Name, joinDigests(after.Secrets), policy, id); err != nil {
		return before, err
	}
	if r, changed := storage.ClientChanged(before, after, change); changed {
		err = Record(ctx, q, r)
	}
	return after, err
}

// RemoveClient removes a client; ErrNotFound. Its sessions can be refreshed no
// more, and the walk of ScanSessions finds them.
func RemoveClient(ctx context.Context, q Querier, id string) error {
	if err := must(ctx, q, storage.ErrNotFound, deleteClient, id); err != nil {
		return err
	}
	return Record(ctx, q, storage.ClientRemoved(id))
}

func joinDigests(digests []storage.Digest) []byte {
	out := make([]byte, 0, len(digests)*len(storage.Digest{})) // not nil: that would be null
	for _, d := range digests {
		out = append(out, d[:]...)
	}
	return out
}

// ClientByID finds a client by its client_id; ErrNotFound.
func ClientByID(ctx context.Context, q Querier, id string) (storage.Client, error) {
	return client(ctx, q, selectClientByID, id)
}

func clientByNumber(ctx context.Context, q Querier, number int64) (storage.Client, error) {
	return client(ctx, q, selectClient, number)
}

func client(ctx context.Context, q Querier, query string, key any) (storage.Client, error) {
	row, err := one[clientRow](ctx, q, query, key)
	if err != nil {
		return storage.Client{}, err
	}
	return row.client()
}

// Clients returns every client, by client_id.
func Clients(ctx context.Context, q Querier) ([]storage.Client, error) {
	rows, err := all[clientRow](ctx, q, selectClients)
	if err != nil {
		return nil, err
	}
	return records(rows, clientRow.client)
}

func (r clientRow) client() (storage.Client, error) {
	var d decoder
	c := storage.Client{
		Number: r.Number, ID: r.ID, Name: r.Name,
		AuthMethod: storage.AuthMethod(r.AuthMethod), CreatedAt: instant(r.CreatedAt),
	}
	for rest := r.Secrets; len(rest) > 0; {
		var digest storage.Digest
		n := min(len(rest), len(digest))
		d.fixed("clients.secrets", digest[:], rest[:n])
		c.Secrets, rest = append(c.Secrets, digest), rest[n:]
	}
	d.json("clients.policy", r.Policy, &c.ClientPolicy)
	return c, d.err
}
