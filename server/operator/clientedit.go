package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/hallmark-auth/hallmark/storage"
)

// Client finds a client by its client_id.
func (o *Operator) Client(ctx context.Context, id string) (storage.Client, error) {
	c, err := o.Clients.ClientByID(ctx, id)
	if err != nil {
		return c, fmt.Errorf("client %q: %w", id, err)
	}
	return c, nil
}

// ClientEdit is what EditClient changes: a nil member leaves what it names as
// it is. How a client authenticates never changes.
type ClientEdit struct {
	Name   *string
	Policy *storage.ClientPolicy // the whole of it
	From   *storage.ClientPolicy // what Policy was made from: ErrConflict if the client has another by now
}

// EditClient changes a client. A new policy is held to what AddClient holds
// one to. Sessions go on under it, but for the lifetimes that they began with.
func (o *Operator) EditClient(ctx context.Context, id string, e ClientEdit) (storage.Client, error) {
	before, err := o.Client(ctx, id)
	if err != nil {
		return before, err
	}
	if e, err = o.checkEdit(ctx, before, e); err != nil {
		return storage.Client{}, err
	}
	after, err := o.Clients.ChangeClient(ctx, id, storage.ClientChange{Name: e.Name, Policy: e.Policy, IfPolicy: e.From})
	if err != nil {
		return storage.Client{}, fmt.Errorf("edit client %q: %w", id, err)
	}
	o.record(ctx, "client.edit", slog.String("client_id", id), slog.Any("changed", e.changed(before, after)),
		slog.Any("grants", after.Grants), slog.Any("audiences", after.Audiences))
	return after, nil
}

// checkEdit returns the edit with the policy in its normal form.
func (o *Operator) checkEdit(ctx context.Context, c storage.Client, e ClientEdit) (ClientEdit, error) {
	n := NewClient{ID: c.ID, AuthMethod: c.AuthMethod}
	if e.Name != nil {
		n.Name = *e.Name
	}
	problems := n.checkIdentity()
	if e.Policy != nil {
		schedule, err := o.schedule(ctx)
		if err != nil {
			return e, fmt.Errorf("edit client %q: %w", c.ID, err)
		}
		n.ClientPolicy = *e.Policy
		n = n.normal()
		problems, e.Policy = n.check(schedule), &n.ClientPolicy
	}
	if len(problems) > 0 {
		return e, problems
	}
	return e, nil
}

// changed names the members of the edit that made a difference.
func (e ClientEdit) changed(before, after storage.Client) []string {
	names := []string{} // not null
	if e.Name != nil && before.Name != after.Name {
		names = append(names, "name")
	}
	if e.Policy == nil {
		return names
	}
	old, now := members(before.ClientPolicy), members(after.ClientPolicy)
	all := maps.Clone(old)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if old[name] != now[name] {
			names = append(names, name)
		}
	}
	return names
}

// members is the policy's JSON, by member.
func members(p storage.ClientPolicy) map[string]string {
	text, _ := json.Marshal(p) // strings, numbers and booleans
	var raw map[string]json.RawMessage
	json.Unmarshal(text, &raw)
	out := map[string]string{}
	for name, value := range raw {
		out[name] = string(value)
	}
	return out
}

// RemoveClient removes a client: it can neither sign in nor refresh any more.
// Access tokens that are out stay good until they expire.
func (o *Operator) RemoveClient(ctx context.Context, id string) error {
	if err := o.Clients.RemoveClient(ctx, id); err != nil {
		return fmt.Errorf("remove client %q: %w", id, err)
	}
	o.record(ctx, "client.remove", slog.String("client_id", id))
	return nil
}

// AddSecret gives a client a generated secret, which is returned once. The one
// in use stays good beside it, until DropOldSecrets; with replace it ends at
// once. A third one is a Conflict.
func (o *Operator) AddSecret(ctx context.Context, id string, replace bool) (storage.Client, storage.Secret, error) {
	secret := storage.RandomSecret()
	digest := secret.Digest()
	c, err := o.changeSecrets(ctx, id, storage.ClientChange{AddSecret: &digest, DropOld: replace})
	if errors.Is(err, storage.ErrConflict) {
		err = fmt.Errorf("add a secret to client %q: %w", id, Conflict{"secrets", "two secrets are in use: drop the old one first"})
	}
	if err != nil {
		return storage.Client{}, storage.Secret{}, err
	}
	o.record(ctx, "client.add_secret", slog.String("client_id", id), slog.Bool("replace", replace), slog.Int("secrets", len(c.Secrets)))
	return c, secret, nil
}

// DropOldSecrets ends all secrets of a client but the newest.
func (o *Operator) DropOldSecrets(ctx context.Context, id string) (storage.Client, error) {
	c, err := o.changeSecrets(ctx, id, storage.ClientChange{DropOld: true})
	if err != nil {
		return storage.Client{}, err
	}
	o.record(ctx, "client.drop_secrets", slog.String("client_id", id), slog.Int("secrets", len(c.Secrets)))
	return c, nil
}

func (o *Operator) changeSecrets(ctx context.Context, id string, change storage.ClientChange) (storage.Client, error) {
	c, err := o.Client(ctx, id)
	if err != nil {
		return c, err
	}
	if c.AuthMethod == storage.AuthNone {
		return c, Invalid{{"auth_method", "the client is public and has no secret: add a client of client_secret_basic or client_secret_post instead"}}
	}
	if c, err = o.Clients.ChangeClient(ctx, id, change); err != nil {
		return c, fmt.Errorf("change the secrets of client %q: %w", id, err)
	}
	return c, nil
}
