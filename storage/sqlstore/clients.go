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
	selectClients    = `SELECT number, ` + clientColumns + ` FROM clients ORDER BY client_id`
)

// CreateClient gives the client its number; ErrConflict when the id is taken.
func CreateClient(ctx context.Context, q Querier, c storage.Client) (storage.Client, error) {
	policy, err := encode("policy", c.ClientPolicy)
	if err != nil {
		return storage.Client{}, err
	}
	secrets := make([]byte, 0, len(c.Secrets)*len(storage.Digest{})) // not nil: that would be null
	for _, d := range c.Secrets {
		secrets = append(secrets, d[:]...)
	}
	c.CreatedAt = instant(micros(c.CreatedAt)) // as it will be read
	err = must(ctx, q, storage.ErrConflict, insertClient,
		c.ID, c.Name, string(c.AuthMethod), secrets, policy, micros(c.CreatedAt))
	if err != nil {
		return storage.Client{}, err
	}
	if c.Number, err = one[int64](ctx, q, selectNumber, c.ID); err != nil {
		return storage.Client{}, err
	}
	return c, nil
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
