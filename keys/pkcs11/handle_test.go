package pkcs11

import (
	"bytes"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for _, token := range []string{"hallmark", "My HSM; id=%01", "Schlüssel+", "a/b?c"} {
		id := newID()
		handle := formatHandle(token, id)
		got, err := parseHandle(handle, token)
		if err != nil || !bytes.Equal(got, id) {
			t.Errorf("%s: %x, %v", handle, got, err)
		}
		if _, err := parseHandle(handle, "other"); err == nil || !strings.Contains(err.Error(), "this process was given") {
			t.Errorf("another token: %v", err)
		}
	}
	if got, want := formatHandle("my hsm", bytes.Repeat([]byte{0xa1}, 2)), "pkcs11:token=my%20hsm;type=private;id=%a1%a1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	good := formatHandle("t", newID())
	for _, bad := range []string{"", "pkcs11:token=t", "x" + good, good + "00", strings.ToUpper(good), strings.ReplaceAll(good, "%", ""), strings.Replace(good, "private", "public", 1), "pkcs11:token=%zz;type=private;id=" + strings.Repeat("%00", idBytes)} {
		if _, err := parseHandle(bad, "t"); err == nil {
			t.Errorf("%q is a handle", bad)
		}
	}
}
