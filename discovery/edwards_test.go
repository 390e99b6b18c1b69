package discovery

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEdwardsPoints: honest keys are taken, the points of small order are not,
// and about half of what is left is no point at all.
func TestEdwardsPoints(t *testing.T) {
	stream := rand.NewChaCha8([32]byte{1})
	seed := make([]byte, 32)
	points := 0
	const many = 200
	for range many {
		stream.Read(seed)
		if err := checkEdwards(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)); err != nil {
			t.Fatalf("the key of %x: %v", seed, err)
		}
		if checkEdwards(seed) == nil {
			points++
		}
	}
	if points < many/3 || points > many*2/3 {
		t.Errorf("%d of %d are points", points, many)
	}
	zeros, ones := strings.Repeat("00", 30), strings.Repeat("ff", 30)
	for _, point := range []string{
		"01" + zeros + "00", "ec" + ones + "7f", "00" + zeros + "00", "00" + zeros + "80", // of order 1, 2, 4
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", // 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		if err := checkEdwards(must(hex.DecodeString(point))); err == nil || !strings.Contains(err.Error(), "small order") {
			t.Errorf("%s: %v", point, err)
		}
	}
}
