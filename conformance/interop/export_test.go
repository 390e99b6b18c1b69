package interop

import (
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// exportPEM returns the published keys, as operators export them.
func (d demo) exportPEM(t *testing.T) string {
	t.Helper()
	return string(d.operate(t, "keys", "export", "--format", "pem"))
}

// pemOf returns the keys of another issuer's key set in the same form.
func pemOf(t *testing.T, uri string) string {
	t.Helper()
	set, err := jwk.Fetch(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for i := range set.Len() {
		key, _ := set.Key(i)
		block, err := jwk.EncodePEM(key)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := key.KeyID()
		text += "# kid: " + id + "\n" + string(block)
	}
	return text
}
