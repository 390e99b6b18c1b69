package operator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// PublishedKeys returns the keys in the key set, or the one of a kid, line by
// line in the order in which they sign. ErrNotFound if it is not among them.
func (o *Operator) PublishedKeys(ctx context.Context, kid string) ([]KeyState, error) {
	ring, now, err := o.Keys.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	var out []KeyState
	for _, k := range ring.Published(now.Wall) {
		if kid == "" || k.ID == kid {
			out = append(out, KeyState{Key: k, State: ring.State(k, now)})
		}
	}
	if kid != "" && len(out) == 0 {
		return nil, fmt.Errorf("key %q is not in the key set: %w", kid, storage.ErrNotFound)
	}
	return out, nil
}

// ExportPrivateKey returns both halves of a key, for a move to another issuer.
// It is recorded before they are in anybody's hands, or they are not handed out.
func (o *Operator) ExportPrivateKey(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	found, err := o.PublishedKeys(ctx, kid)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	if len(found) != 1 {
		return jose.JSONWebKey{}, Invalid{{"kid", "name the key: private halves are exported one by one"}}
	}
	jwk, err := found[0].PrivateJWK()
	if err != nil {
		return jose.JSONWebKey{}, Invalid{{"kid", err.Error()}}
	}
	err = o.Audit.Record(ctx, storage.Record{Event: storage.EventKeysExport, Detail: storage.Detail{"kid": kid, "alg": jwk.Algorithm}})
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("record the export of key %q: %w", kid, err)
	}
	o.record(ctx, "keys.export", slog.String("kid", kid), slog.String("alg", jwk.Algorithm), slog.Bool("private", true))
	return jwk, nil
}

// An ExportedKey is a key with its public half, as programs get it.
type ExportedKey struct {
	KeyView
	JWK jose.JSONWebKey `json:"jwk"`
	PEM string          `json:"pem"`
}

// ViewExport returns the view of a key with its public half.
func ViewExport(k KeyState) (ExportedKey, error) {
	text, err := keys.PublicPEM(k.Public)
	return ExportedKey{ViewKey(k), k.JWK(), string(text)}, err
}
