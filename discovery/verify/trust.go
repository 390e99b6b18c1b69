package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A trust is what is believed of one issuer.
type trust struct {
	issuer    string
	static    *discovery.KeySet // nil: discover
	client    *http.Client      // nil: a new one
	longest   time.Duration     // how old keys may become while the issuer is away
	fromStart bool              // it may be away at the start
	types     []string          // that a token may have beside at+jwt, in lower case
	missing   []string          // claims, and typ, that it need not have
}

// AllowTyp accepts tokens of the issuer that have this typ instead of at+jwt:
// "JWT" for issuers that do not know RFC 9068. Their ID tokens have it too:
// only the audience keeps those out then.
func AllowTyp(typ string) Option {
	return func(c *config) error {
		short := mediaType(typ)
		if short == "" {
			return errors.New("AllowTyp: the typ is empty; AllowMissing(\"typ\") is for tokens without")
		}
		c.types = append(c.types, short)
		return nil
	}
}

// AllowMissing accepts tokens of the issuer that lack these claims, or typ:
// sub, client_id, jti, iat. Their fields in Claims are empty then.
func AllowMissing(names ...string) Option {
	return func(c *config) error {
		for _, name := range names {
			switch name {
			case "typ", "sub", "client_id", "jti", "iat":
				c.missing = append(c.missing, name)
			default:
				return fmt.Errorf("AllowMissing: %.40q is not one of typ, sub, client_id, jti, iat", name)
			}
		}
		return nil
	}
}

// mayLack says whether tokens need not have this.
func (t *trust) mayLack(name string) bool { return slices.Contains(t.missing, name) }

// takes says whether tokens may have this typ.
func (t *trust) takes(typ string) bool { return typ == "at+jwt" || slices.Contains(t.types, typ) }

// mediaType is a typ in the shortest form (RFC 7515 §4.1.9), without its case.
func mediaType(typ string) string {
	short := strings.ToLower(typ)
	if rest, ok := strings.CutPrefix(short, "application/"); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return short
}

// authority gets the keys.
func (t trust) authority(ctx context.Context, log *slog.Logger) (*authority, error) {
	if err := discovery.CheckIssuer(t.issuer); err != nil {
		return nil, err
	}
	if t.static != nil {
		return &authority{t, fixed{t.static}}, nil
	}
	r, err := startRemote(ctx, t, log)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", t.issuer, err)
	}
	return &authority{t, r}, nil
}
