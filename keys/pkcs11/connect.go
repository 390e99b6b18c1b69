//go:build pkcs11

package pkcs11

import (
	"errors"
	"fmt"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// pause is the least time between two attempts to connect.
const pause = time.Second

// use runs an operation on the connection, and once more on a new one if the
// first was broken. It returns when the time is over, whatever the module does.
func (d *Device) use(limit time.Duration, operation func(*crypto11.Context) error) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case d.places <- struct{}{}:
	case <-timer.C:
		return errors.New("the token is busy with other operations")
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
			<-d.places
		}()
		done <- d.run(operation)
	}()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("the token did not answer within %s", limit)
	}
}

func (d *Device) run(operation func(*crypto11.Context) error) error {
	used, err := d.try(operation)
	if used != nil && err == nil {
		return nil
	}
	if used != nil && !isBroken(err) {
		return err
	}
	if renewErr := d.connect(used); renewErr != nil {
		return errors.Join(err, renewErr)
	}
	_, err = d.try(operation)
	return err
}

// try runs an operation on the connection that there is, and returns that.
func (d *Device) try(operation func(*crypto11.Context) error) (*crypto11.Context, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.conn == nil {
		return nil, nil
	}
	return d.conn, operation(d.conn)
}

// connect replaces a broken connection, if nobody else has.
func (d *Device) connect(broken *crypto11.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.conn != nil && d.conn != broken:
		return nil
	case d.wrong:
		return d.broken
	case time.Since(d.since) < pause:
		return d.broken
	}
	if d.conn != nil {
		_ = d.conn.Close() // the module forgets its sessions, and looks for tokens anew
		d.conn = nil
	}
	d.since = time.Now()
	if d.conn, d.broken = d.open(); d.broken != nil {
		d.conn = nil
		if d.wrong = errors.Is(d.broken, pkcs11.Error(pkcs11.CKR_PIN_INCORRECT)) || errors.Is(d.broken, pkcs11.Error(pkcs11.CKR_PIN_LOCKED)); d.wrong {
			d.broken = fmt.Errorf("%w: it is not tried again by this process, so that the token does not lock", d.broken)
		}
	}
	return d.broken
}

func (d *Device) open() (*crypto11.Context, error) {
	pin, err := d.cfg.PIN()
	if err != nil {
		return nil, err
	}
	conn, err := crypto11.Configure(&crypto11.Config{
		Path: d.cfg.Module, TokenLabel: d.cfg.Token, Pin: pin.Reveal(), MaxSessions: maxOperations + 1, PoolWaitTimeout: signTime,
	})
	if err != nil {
		return nil, fmt.Errorf("open the token %q of %s: %w", d.cfg.Token, d.cfg.Module, err)
	}
	return conn, nil
}

// isBroken reports what a new connection may mend: the token was away, the
// module lost its sessions or its login, or an object has another number now.
func isBroken(err error) bool {
	if errors.Is(err, errAbsent) {
		return true
	}
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN,
		pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_SLOT_ID_INVALID,
		pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED:
		return true
	}
	return false
}

// Close lets go of the token.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return nil
	}
	conn := d.conn
	d.conn, d.broken = nil, errors.New("the device was closed")
	d.wrong = true
	return conn.Close()
}
