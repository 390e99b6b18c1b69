//go:build !darwin && !linux

package main

import "errors"

func freeSpace(string) (int64, error) {
	return 0, errors.New("free space is not known on this system")
}
