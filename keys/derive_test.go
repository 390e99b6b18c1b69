package keys

import (
	"bytes"
	"testing"
)

// TestDerive: a key for a use is the same in every process that holds the same
// key-encryption key, another for another use, and none of them is the
// key-encryption key itself.
func TestDerive(t *testing.T) {
	a, b := testKEK(1), testKEK(2)
	both := must(NewSealer(a, b)).Derive("this")
	alone := must(NewSealer(b)).Derive("this")
	other := must(NewSealer(a)).Derive("that")
	if len(both) != 2 || !bytes.Equal(both[1].Key, alone[0].Key) || both[1].ID != alone[0].ID {
		t.Error("the same key-encryption key gives different keys")
	}
	seen := map[string]bool{string(a): true, string(b): true, KEKID(a): true, KEKID(b): true}
	for _, d := range append(both, other...) {
		if seen[string(d.Key)] || seen[d.ID] || len(d.Key) != 32 || len(d.ID) != 16 {
			t.Errorf("%s is used twice, or of an odd size", d.ID)
		}
		seen[string(d.Key)], seen[d.ID] = true, true
	}
}
