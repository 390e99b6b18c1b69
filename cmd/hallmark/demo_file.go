package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loadDemo reads demo.json, or draws new credentials if there is none.
func loadDemo(dir string) (*demo, error) {
	d := &demo{path: filepath.Join(dir, "demo.json")}
	err := d.read()
	if errors.Is(err, fs.ErrNotExist) {
		d.ClientID, d.Username, d.Password = "demo-"+random(), demoUser, random()
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used (%w): restore it, or start the demo with another --data", d.path, err)
	}
	return d, nil
}

// read takes over what is in demo.json.
func (d *demo) read() error {
	text, err := os.ReadFile(d.path)
	if err != nil {
		return err
	}
	found := demo{path: d.path}
	if err := json.Unmarshal(text, &found); err != nil {
		return err
	}
	if found.ClientID == "" || found.Username == "" || found.Password == "" {
		return errors.New("credentials are missing")
	}
	*d = found
	return nil
}

// random returns 144 bits in base64url: 24 characters that no shell minds.
func random() string {
	b := make([]byte, 18)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// keep writes demo.json for the issuer at hand. The credentials are written
// once: of two first starts one makes the file, and the other takes what is in
// it. Later only the URLs are written anew.
func (d *demo) keep() error {
	issuer, operators := d.Issuer, d.Operators
	if err := d.write(os.Link); !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.read(); err != nil {
		return err
	}
	if d.Issuer == issuer && d.Operators == operators {
		return nil
	}
	d.Issuer, d.Operators = issuer, operators
	return d.write(os.Rename)
}

// write writes demo.json, whole or not at all.
func (d *demo) write(move func(from, to string) error) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(d.path), ".demo-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return move(f.Name(), d.path)
}
