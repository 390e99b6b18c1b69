package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
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

// pemParsers are for the PEM blocks that hold a key (RFC 7468 §5, §10 and §13, and
// what OpenSSL wrote before).
func pemParsers() map[string]func(der []byte) (any, error) {
	return map[string]func(der []byte) (any, error){
		pemPublic:         x509.ParsePKIXPublicKey,
		pemPrivate:        x509.ParsePKCS8PrivateKey,
		"RSA PUBLIC KEY":  func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) },
		"RSA PRIVATE KEY": func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		"EC PRIVATE KEY":  func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		"CERTIFICATE": func(der []byte) (any, error) {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			return c.PublicKey, nil
		},
	}
}

// maxDER bounds what is reckoned with; an RSA private key of 4096 bits has a
// seventh of it.
const maxDER = 16 << 10

// parsePEM reads every block. What pem.Decode would pass over is refused.
func parsePEM(file []byte) (found []Material, err error) {
	parsers, begun, certificates := pemParsers(), bytes.Count(file, []byte("-----BEGIN ")), 0
	for rest := file; ; begun-- {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "EC PARAMETERS" { // OpenSSL puts it before the key
			continue
		}
		if _, encrypted := block.Headers["DEK-Info"]; encrypted || block.Type == "ENCRYPTED PRIVATE KEY" {
			return nil, errors.New("a private key under a password: take it off with: openssl pkey -in FILE")
		}
		parse, known := parsers[block.Type]
		switch {
		case !known:
			return nil, fmt.Errorf("a PEM block %.40q, which is no key", block.Type)
		case len(block.Bytes) > maxDER:
			return nil, fmt.Errorf("a PEM block of more than %d bytes", maxDER)
		case block.Type == "CERTIFICATE":
			certificates++
		}
		key, err := parse(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("its %s cannot be read: it is damaged, or not of the kind that its label says", block.Type) // the cause may hold key material
		}
		found = append(found, newMaterial(key))
	}
	switch {
	case begun != 0:
		return nil, errors.New("a PEM block is damaged: look at its lines, and at the one that ends it")
	case certificates > 1:
		return nil, errors.New("several certificates: keep the one whose key signs tokens; those that signed it are not for that")
	}
	return found, nil
}

func newMaterial(key any) Material {
	if private, ok := key.(crypto.Signer); ok {
		return Material{Private: private}
	}
	return Material{Public: key}
}
