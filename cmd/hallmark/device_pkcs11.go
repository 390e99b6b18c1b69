//go:build pkcs11

package main

import (
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/keys/pkcs11"
	"github.com/hallmark-auth/hallmark/storage"
)

const hasPKCS11 = true

func newDevice(d Device) device {
	return pkcs11.New(pkcs11.Config{
		Module: d.PKCS11Module, Token: d.PKCS11Token,
		PIN: func() (storage.Secret, error) { return keys.ReadPINFile(d.PKCS11PinFile) },
	})
}
