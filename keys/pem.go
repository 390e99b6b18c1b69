package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// The labels of PEM blocks that are written (RFC 7468 §10 and §13).
const (
	pemPublic  = "PUBLIC KEY"
	pemPrivate = "PRIVATE KEY"
)

// PublicPEM returns a public key as PEM of a SubjectPublicKeyInfo.
func PublicPEM(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), nil
}

// PrivatePEM returns a private key as PEM of PKCS #8.
func PrivatePEM(private any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: it is a %T", private) // the cause may hold key material
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), nil
}
