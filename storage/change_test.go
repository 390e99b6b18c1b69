package storage

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestUserChange(t *testing.T) {
	imported := ImportDigest("legacy")
	before := User{
		ID: uuid.UUID{1}, Name: "ada", PasswordHash: "hash", Claims: UserClaims{Roles: []string{"staff"}},
		ForeignID: "17", Imported: imported, CreatedAt: opened,
	}
	claims := UserClaims{Groups: []string{"g"}}
	for name, c := range map[string]struct {
		change UserChange
		want   func(*User)
		ends   EndReason
		err    error
	}{
		"nothing":          {UserChange{}, func(*User) {}, "", nil},
		"nothing but time": {UserChange{Now: opened, Keep: SessionID{1}}, func(*User) {}, "", nil},
		"name":             {UserChange{Name: new("bob")}, func(u *User) { u.Name = "bob" }, "", nil},
		"claims":           {UserChange{Claims: &claims}, func(u *User) { u.Claims = claims }, "", nil},
		"no claims":        {UserChange{Claims: &UserClaims{}}, func(u *User) { u.Claims = UserClaims{} }, "", nil},
		"foreign id":       {UserChange{ForeignID: new("18")}, func(u *User) { u.ForeignID = "18" }, "", nil},
		"no foreign id":    {UserChange{ForeignID: new("")}, func(u *User) { u.ForeignID = "" }, "", nil},
		"password":         {UserChange{PasswordHash: new("next")}, func(u *User) { u.PasswordHash = "next" }, EndedPassword, nil},
		"no password":      {UserChange{PasswordHash: new("")}, func(u *User) { u.PasswordHash = "" }, EndedPassword, nil},
		"the same hash":    {UserChange{PasswordHash: new("hash")}, func(*User) {}, EndedPassword, nil},
		"disabled":         {UserChange{Disabled: new(true)}, func(u *User) { u.Disabled = true }, EndedDisabled, nil},
		"enabled":          {UserChange{Disabled: new(false)}, func(*User) {}, "", nil},

		"the import before": {UserChange{ImportHash: new("legacy")}, func(*User) {}, "", nil},
		"another import": {UserChange{ImportHash: new("legacy2")}, func(u *User) {
			u.PasswordHash, u.Imported = "legacy2", ImportDigest("legacy2")
		}, EndedPassword, nil},
		"an import of what is there": {UserChange{ImportHash: new("hash")}, func(u *User) { u.Imported = ImportDigest("hash") }, "", nil},
		"an import and a password": {UserChange{ImportHash: new("legacy2"), PasswordHash: new("next")}, func(u *User) {
			u.PasswordHash, u.Imported = "next", ImportDigest("legacy2")
		}, EndedPassword, nil},
		"an import and disabled": {UserChange{ImportHash: new("legacy2"), Disabled: new(true)}, func(u *User) {
			u.PasswordHash, u.Imported, u.Disabled = "legacy2", ImportDigest("legacy2"), true
		}, EndedDisabled, nil},
		"a password and enabled": {UserChange{PasswordHash: new("next"), Disabled: new(false)}, func(u *User) { u.PasswordHash = "next" }, EndedPassword, nil},

		"if it is the hash":  {UserChange{If: new("hash"), PasswordHash: new("next")}, func(u *User) { u.PasswordHash = "next" }, EndedPassword, nil},
		"if it was the hash": {UserChange{If: new("old"), PasswordHash: new("next"), Disabled: new(true), Name: new("x")}, func(*User) {}, "", ErrConflict},
		"if there is none":   {UserChange{If: new(""), Name: new("x")}, func(*User) {}, "", ErrConflict},
		"if, and an import":  {UserChange{If: new("legacy"), ImportHash: new("legacy")}, func(*User) {}, "", ErrConflict},

		"if those are the claims":  {UserChange{IfClaims: &UserClaims{Roles: []string{"staff"}, Groups: []string{}}, Claims: &claims}, func(u *User) { u.Claims = claims }, "", nil},
		"if those were the claims": {UserChange{IfClaims: &claims, Claims: &claims, PasswordHash: new("next")}, func(*User) {}, "", ErrConflict},
		"if there are no claims":   {UserChange{IfClaims: &UserClaims{}, Name: new("x")}, func(*User) {}, "", ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			want := before
			c.want(&want)
			got, ends, err := c.change.Apply(before)
			if !errors.Is(err, c.err) || ends != c.ends || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, ends %q, %v\nwant %+v, %q, %v", got, ends, err, want, c.ends, c.err)
			}
		})
	}
}

// drawChange draws a change of anything but what is imported.
func drawChange(rt *rapid.T) (c UserChange) {
	hashes := rapid.SampledFrom([]string{"", "first", "second", "legacy A", "legacy B"})
	for _, member := range []**string{&c.Name, &c.PasswordHash, &c.ForeignID, &c.If} {
		if rapid.IntRange(0, 3).Draw(rt, "changed") == 0 {
			*member = new(hashes.Draw(rt, "value"))
		}
	}
	if rapid.Bool().Draw(rt, "standing") {
		c.Disabled = new(rapid.Bool().Draw(rt, "disabled"))
	}
	return c
}

// Whoever runs an import again undoes nothing that has happened since: no
// new password, no hash of the same password that is better.
func TestImportingAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		legacy := new(rapid.SampledFrom([]string{"", "legacy A", "legacy B"}).Draw(rt, "imported"))
		u, _, err := drawChange(rt).Apply(User{Name: "ada", PasswordHash: "first"})
		if err != nil {
			rt.Skip("never began")
		}
		u, _, err = UserChange{ImportHash: legacy}.Apply(u)
		if err != nil || u.PasswordHash != *legacy {
			rt.Fatalf("imported %q: %+v, %v", *legacy, u, err)
		}
		for range rapid.IntRange(0, 5).Draw(rt, "acts") {
			if rapid.IntRange(0, 3).Draw(rt, "rehash") == 0 {
				u.PasswordHash += "+" // as Rehash does
				continue
			}
			u, _, _ = drawChange(rt).Apply(u)
		}
		again, ends, err := UserChange{ImportHash: legacy}.Apply(u)
		if err != nil || ends != "" || !reflect.DeepEqual(again, u) {
			rt.Fatalf("from %+v to %+v, ends %q, %v", u, again, ends, err)
		}
		// Beside another change it changes nothing of that one's either.
		c := drawChange(rt)
		alone, endsAlone, errAlone := c.Apply(u)
		c.ImportHash = legacy
		if beside, ends, err := c.Apply(u); !reflect.DeepEqual(beside, alone) || ends != endsAlone || err != errAlone {
			rt.Fatalf("beside it: %+v, ends %q, %v; alone %+v, %q, %v", beside, ends, err, alone, endsAlone, errAlone)
		}
	})
}

// Nobody keeps a session across a new password or being disabled, and nothing
// else costs one.
func TestSessionsEndWithThePasswordAndTheStanding(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := User{Name: "ada", PasswordHash: "first", Disabled: rapid.Bool().Draw(rt, "disabled before"), Imported: ImportDigest("legacy A")}
		c := drawChange(rt)
		if rapid.Bool().Draw(rt, "import") {
			c.ImportHash = new(rapid.SampledFrom([]string{"first", "legacy A", "legacy B"}).Draw(rt, "imported"))
		}
		after, ends, err := c.Apply(u)
		switch {
		case err != nil && (!reflect.DeepEqual(after, u) || ends != ""):
			rt.Fatalf("refused, and changed to %+v, ends %q", after, ends)
		case err != nil:
			if c.If == nil || *c.If == u.PasswordHash {
				rt.Fatal(err)
			}
		case (ends == EndedDisabled) != (c.Disabled != nil && *c.Disabled):
			rt.Fatalf("ends %q", ends)
		case ends == "" && (after.PasswordHash != u.PasswordHash || c.PasswordHash != nil):
			rt.Fatal("a new password ends nothing")
		case ends == EndedPassword && c.PasswordHash == nil && after.PasswordHash == u.PasswordHash:
			rt.Fatal("sessions end for no reason")
		case after.ID != u.ID || after.CreatedAt != u.CreatedAt:
			rt.Fatal("another user")
		}
	})
}

func TestClientChange(t *testing.T) {
	one, two, three := Digest{1}, Digest{2}, Digest{3}
	before := Client{Number: 7, ID: "web", Name: "Web", AuthMethod: AuthBasic, CreatedAt: opened, ClientPolicy: ClientPolicy{Scopes: []string{"read"}}}
	policy := ClientPolicy{Scopes: []string{"write"}, Rotate: true}
	for name, c := range map[string]struct {
		has    []Digest
		change ClientChange
		want   func(*Client)
		err    error
	}{
		"nothing":              {[]Digest{one}, ClientChange{}, func(*Client) {}, nil},
		"name":                 {[]Digest{one}, ClientChange{Name: new("x")}, func(c *Client) { c.Name = "x" }, nil},
		"no name":              {[]Digest{one}, ClientChange{Name: new("")}, func(c *Client) { c.Name = "" }, nil},
		"policy":               {[]Digest{one}, ClientChange{Policy: &policy}, func(c *Client) { c.ClientPolicy = policy }, nil},
		"if it is the policy":  {[]Digest{one}, ClientChange{Policy: &policy, IfPolicy: &before.ClientPolicy}, func(c *Client) { c.ClientPolicy = policy }, nil},
		"if it was the policy": {[]Digest{one}, ClientChange{Policy: &policy, IfPolicy: &policy, Name: new("x"), DropOld: true}, func(*Client) {}, ErrConflict},
		"the second secret":    {[]Digest{one}, ClientChange{AddSecret: &two}, func(c *Client) { c.Secrets = []Digest{one, two} }, nil},
		"the third secret":     {[]Digest{one, two}, ClientChange{AddSecret: &three, Name: new("x")}, func(*Client) {}, ErrConflict},
		"the first secret":     {nil, ClientChange{AddSecret: &one}, func(c *Client) { c.Secrets = []Digest{one} }, nil},
		"the old one goes":     {[]Digest{one, two}, ClientChange{DropOld: true}, func(c *Client) { c.Secrets = []Digest{two} }, nil},
		"nothing old":          {[]Digest{one}, ClientChange{DropOld: true}, func(*Client) {}, nil},
		"nothing at all":       {nil, ClientChange{DropOld: true}, func(*Client) {}, nil},
		"in place of two":      {[]Digest{one, two}, ClientChange{AddSecret: &three, DropOld: true}, func(c *Client) { c.Secrets = []Digest{three} }, nil},
		"many, from long ago":  {[]Digest{one, two, three}, ClientChange{Name: new("x")}, func(c *Client) { c.Name = "x" }, nil},
		"many, and one more":   {[]Digest{one, two, three}, ClientChange{AddSecret: &one}, func(*Client) {}, ErrConflict},
		"many, but the newest": {[]Digest{one, two, three}, ClientChange{DropOld: true}, func(c *Client) { c.Secrets = []Digest{three} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			given := before
			given.Secrets = slices.Clone(c.has)
			want := given
			c.want(&want)
			got, err := c.change.Apply(given)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if !sameClient(got, want) {
				t.Errorf("%+v, want\n%+v", got, want)
			}
			if !slices.Equal(given.Secrets, c.has) {
				t.Error("the client before was changed")
			}
		})
	}
	public := Client{ID: "app", AuthMethod: AuthNone}
	for name, c := range map[string]ClientChange{"add": {AddSecret: &one}, "drop": {DropOld: true}, "replace": {AddSecret: &one, DropOld: true}} {
		if _, err := c.Apply(public); err != ErrConflict {
			t.Errorf("a public client, %s: %v", name, err)
		}
	}
	if got, err := (ClientChange{Policy: &policy}).Apply(public); err != nil || len(got.Secrets) != 0 {
		t.Errorf("a public client's policy: %+v, %v", got, err)
	}
}

func sameClient(a, b Client) bool {
	same := slices.Equal(a.Secrets, b.Secrets)
	a.Secrets, b.Secrets = nil, nil
	return same && reflect.DeepEqual(a, b)
}

// However a client's secrets are rotated: never more than two, in the order in
// which they were made, the newest always good, and the one in use good until
// somebody says otherwise.
func TestSecretsAreRotated(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := Client{AuthMethod: AuthPost, Secrets: []Digest{{1}}}
		newest := byte(1)
		for range rapid.IntRange(1, 12).Draw(rt, "acts") {
			before, change := slices.Clone(c.Secrets), ClientChange{DropOld: rapid.Bool().Draw(rt, "drop")}
			if rapid.Bool().Draw(rt, "add") {
				change.AddSecret = &Digest{newest + 1}
			}
			after, err := change.Apply(c)
			full := change.AddSecret != nil && !change.DropOld && len(before) == MaxSecrets
			switch {
			case full != (err == ErrConflict) || !full && err != nil:
				rt.Fatalf("%d secrets and %+v: %v", len(before), change, err)
			case err != nil:
				continue
			case change.AddSecret != nil:
				newest++
			}
			c = after
			want := before
			if change.AddSecret != nil {
				want = append(want, *change.AddSecret)
			}
			if change.DropOld {
				want = want[len(want)-1:]
			}
			if !slices.Equal(c.Secrets, want) || len(c.Secrets) > MaxSecrets || c.Secrets[len(c.Secrets)-1] != (Digest{newest}) {
				rt.Fatalf("%v became %v", before, c.Secrets)
			}
		}
	})
}
