package operator

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	tokenPrefix  = "hmo_"
	tokenBytes   = 32
	maxTokenName = 64
	maxTokenLife = 10 * 365 * 24 * time.Hour
)

// ErrToken is reported for an operator token that does not hold, whatever the
// reason; the reason is in the error's text, for the log.
var ErrToken = errors.New("the operator token is not valid")

// Scopes returns what an operator token may be good for. "read" is for looking
// at everything; each of the others for looking at one area and changing it.
func Scopes() []string { return []string{"read", "users", "clients", "sessions", "keys", "audit"} }

// AddToken makes a token with which a program may act for a time. The token is
// returned once; the store keeps its digest. ErrConflict if the name is taken.
func (o *Operator) AddToken(ctx context.Context, name string, scopes []string, lifetime time.Duration) (storage.OperatorToken, storage.Secret, error) {
	scopes = once(scopes)
	if problems := checkToken(name, scopes, lifetime); len(problems) > 0 {
		return storage.OperatorToken{}, storage.Secret{}, problems
	}
	secret := storage.NewSecret(tokenPrefix + storage.RandomSecret().Reveal())
	now := o.now()
	t := storage.OperatorToken{
		Name: name, Digest: secret.Digest(), Scopes: scopes,
		CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
	if err := o.Tokens.CreateOperatorToken(ctx, t); err != nil {
		if errors.Is(err, storage.ErrConflict) {
			err = Conflict{"name", fmt.Sprintf("an operator token %q already exists: choose another name, or remove that one first", name)}
		}
		return storage.OperatorToken{}, storage.Secret{}, fmt.Errorf("add operator token %q: %w", name, err)
	}
	o.record(ctx, "token.add", slog.String("name", name), slog.Any("scopes", scopes), slog.Time("expires_at", t.ExpiresAt))
	return t, secret, nil
}

func checkToken(name string, scopes []string, lifetime time.Duration) (problems Invalid) {
	if name == "" || len(name) > maxTokenName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) {
		problems = append(problems, Problem{"name", fmt.Sprintf("must be 1 to %d visible ASCII characters", maxTokenName)})
	}
	if extra := outside(scopes, Scopes()); len(extra) > 0 || len(scopes) == 0 {
		problems = append(problems, Problem{"scopes", fmt.Sprintf("%q: name at least one, and none but %s", scopes, strings.Join(Scopes(), ", "))})
	}
	if lifetime < time.Second || lifetime%time.Second != 0 || lifetime > maxTokenLife {
		problems = append(problems, Problem{"lifetime", fmt.Sprintf("%v must be whole seconds, at least one and at most ten years (%v)", lifetime, maxTokenLife)})
	}
	return problems
}

// ListTokens returns all operator tokens, by name, also those that expired.
func (o *Operator) ListTokens(ctx context.Context) ([]storage.OperatorToken, error) {
	list, err := o.Tokens.OperatorTokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("list operator tokens: %w", err)
	}
	return list, nil
}

// RemoveToken ends an operator token at once.
func (o *Operator) RemoveToken(ctx context.Context, name string) error {
	if err := o.Tokens.RemoveOperatorToken(ctx, name); err != nil {
		return fmt.Errorf("remove operator token %q: %w", name, err)
	}
	o.record(ctx, "token.remove", slog.String("name", name))
	return nil
}

// Authenticate finds the operator token that a request presents. The error is
// ErrToken unless the store could not be asked. What is found by the digest of
// 256 random bits tells by its timing nothing about them.
func (o *Operator) Authenticate(ctx context.Context, presented string) (storage.OperatorToken, error) {
	if !isToken(presented) {
		return storage.OperatorToken{}, fmt.Errorf("%w: malformed", ErrToken)
	}
	t, err := o.Tokens.OperatorToken(ctx, storage.NewSecret(presented).Digest())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return storage.OperatorToken{}, fmt.Errorf("%w: unknown", ErrToken)
	case err != nil:
		return storage.OperatorToken{}, fmt.Errorf("find the operator token: %w", err)
	case !o.now().Before(t.ExpiresAt):
		return storage.OperatorToken{}, fmt.Errorf("%w: %q expired at %s", ErrToken, t.Name, t.ExpiresAt.Format(time.RFC3339))
	}
	return t, nil
}

// isToken reports whether a text is a token's: exact prefix, exact length,
// canonical base64url.
func isToken(s string) bool {
	enc, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(enc) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(enc)
	return err == nil && base64.RawURLEncoding.EncodeToString(b) == enc // one spelling
}
