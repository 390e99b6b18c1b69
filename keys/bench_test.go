package keys

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

type signatureASN1 struct{ R, S *big.Int }

// TestConcatenated: R and S are where RFC 7518 §3.4 wants them, however short.
func TestConcatenated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.SampledFrom([]int{32, 48}).Draw(t, "octets")
		part := rapid.SliceOfN(rapid.Byte(), 0, octets+1)
		sig := signatureASN1{new(big.Int).SetBytes(part.Draw(t, "r")), new(big.Int).SetBytes(part.Draw(t, "s"))}
		der := must(asn1.Marshal(sig))
		got, err := concatenated(der, octets)
		if fits := sig.R.Sign() > 0 && sig.S.Sign() > 0 && max(sig.R.BitLen(), sig.S.BitLen()) <= 8*octets; fits != (err == nil) {
			t.Fatalf("%x: %v", der, err)
		}
		if err == nil && !bytes.Equal(got, append(sig.R.FillBytes(make([]byte, octets)), sig.S.FillBytes(make([]byte, octets))...)) {
			t.Errorf("%x became %x", der, got)
		}
	})
}

// FuzzConcatenated: whatever a device answers, what is taken is what encoding/asn1 takes.
func FuzzConcatenated(f *testing.F) {
	f.Add(must(asn1.Marshal(signatureASN1{big.NewInt(1), big.NewInt(255)})))
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := concatenated(der, 32)
		if err != nil {
			return
		}
		var sig signatureASN1
		rest, err := asn1.Unmarshal(der, &sig)
		if err != nil || len(rest) > 0 || !bytes.Equal(got, append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)) {
			t.Errorf("%x became %x, %v", der, got, err)
		}
	})
}
