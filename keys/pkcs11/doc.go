// Package pkcs11 keeps the private halves of signing keys in a PKCS#11 token: a
// hardware security module, a smart card, or SoftHSM. They are made there, sign
// there, cannot be taken out, and are removed when the ring has dropped them. A
// ring has their handles, which are PKCS#11 URIs (RFC 7512) without a secret.
//
//	keys.Rotator ─► Device ─► a connection, made again when it broke ─► the vendor's module
//
// A Device is in builds with the tag pkcs11 alone: the module is loaded at run
// time, which a static program cannot do (docs/decisions/0008-pkcs11-tag.md).
package pkcs11
