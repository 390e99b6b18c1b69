package interop

import (
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// exportPEM returns the published keys as hallmark keys export does.
func (d demo) exportPEM(t *testing.T) string { return pemOf(t, d.jwksURI()) }

// pemOf returns the keys of a key set, each a PEM block after its kid.
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
		text += "# " + id + "\n" + string(block)
	}
	return text
}
