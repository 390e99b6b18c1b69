//go:build !pkcs11

package main

const hasPKCS11 = false

// newDevice is not reached: the settings are refused.
func newDevice(Device) device { panic("this build has no PKCS#11") }
