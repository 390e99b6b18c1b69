package operator

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// NewClient is what AddClient needs. Sets may hold a value twice. Without
// default audiences the only audience is the default.
type NewClient struct {
	ID         string // generated if empty
	Name       string
	AuthMethod storage.AuthMethod

	storage.ClientPolicy
}

// DefaultGrants are those of a client of which nothing is said: none for an API
// that introspects tokens and names no audience of tokens of its own.
func DefaultGrants(introspects, audiences []string) []string {
	if len(introspects) > 0 && len(audiences) == 0 {
		return nil
	}
	return []string{storage.GrantPassword, storage.GrantRefreshToken}
}

// AddClient registers a client. The secret is generated, returned once, and
// empty for a public client; the store keeps its digest.
func (o *Operator) AddClient(ctx context.Context, n NewClient) (storage.Client, storage.Secret, error) {
	n = n.normal()
	schedule, err := o.schedule(ctx)
	if err != nil {
		return storage.Client{}, storage.Secret{}, fmt.Errorf("add client: %w", err)
	}
	if problems := n.check(schedule); len(problems) > 0 {
		return storage.Client{}, storage.Secret{}, problems
	}
	if n.ID == "" {
		n.ID = newClientID()
	}
	client := storage.Client{
		ID: n.ID, Name: n.Name, AuthMethod: n.AuthMethod, CreatedAt: o.now(), ClientPolicy: n.ClientPolicy,
	}
	var secret storage.Secret
	if n.AuthMethod != storage.AuthNone {
		secret = storage.RandomSecret()
		client.Secrets = []storage.Digest{secret.Digest()}
	}
	client, err = o.Clients.CreateClient(ctx, client)
	if err != nil {
		if errors.Is(err, storage.ErrConflict) {
			err = Conflict{"id", fmt.Sprintf("a client %q already exists: choose another id", n.ID)}
		}
		return storage.Client{}, storage.Secret{}, fmt.Errorf("add client %q: %w", n.ID, err)
	}
	o.record(ctx, "client.add", slog.String("client_id", client.ID), slog.String("auth_method", string(client.AuthMethod)),
		slog.Any("grants", client.Grants), slog.Any("audiences", client.Audiences))
	return client, secret, nil
}

// schedule is the one that the keys follow, or will in a store without any.
func (o *Operator) schedule(ctx context.Context) (keys.Schedule, error) {
	ring, _, err := o.Keys.View(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		return keys.DefaultSchedule(), nil
	}
	return ring.Schedule(), err
}

// ListClients returns all clients, by ID.
func (o *Operator) ListClients(ctx context.Context) ([]storage.Client, error) {
	clients, err := o.Clients.Clients(ctx)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}

// normal returns the client with each set's members once, in the order given,
// and the default audience that goes without saying.
func (n NewClient) normal() NewClient {
	for _, set := range []*[]string{
		&n.Grants, &n.Scopes, &n.DefaultScopes, &n.Audiences, &n.DefaultAudiences, &n.Introspects, &n.Claims, &n.Origins,
	} {
		*set = once(*set)
	}
	if len(n.DefaultAudiences) == 0 && len(n.Audiences) == 1 {
		n.DefaultAudiences = n.Audiences
	}
	return n
}

func once(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// newClientID returns 128 random bits in base64url, never with a hyphen in
// front, where a command line would take it for a flag.
func newClientID() string {
	b := make([]byte, 16)
	for {
		rand.Read(b) // never fails
		if id := base64.RawURLEncoding.EncodeToString(b); id[0] != '-' {
			return id
		}
	}
}

// check reports everything that is wrong with a client.
func (n NewClient) check(s keys.Schedule) Invalid {
	var problems Invalid
	for _, rule := range []func() Invalid{
		n.checkIdentity, n.checkGrants, n.checkScopes, n.checkAudiences, n.checkIntrospects, n.checkClaims, n.checkOrigins,
		func() Invalid { return n.checkAlgorithm(s.Algorithms) },
		func() Invalid { return n.checkAccess(s) }, n.checkLifetimes,
	} {
		problems = append(problems, rule()...)
	}
	return problems
}
