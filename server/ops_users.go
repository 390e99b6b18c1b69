package server

import (
	"errors"
	"net/http"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// A userBody is what the API takes of a user: the members of operator.UserView
// that can be set, and a password or its hash. A member that is left out stays
// as it is, or is empty in a user that is made.
type userBody struct {
	Username     *string             `json:"username"`
	Password     *string             `json:"password"`
	PasswordHash *string             `json:"password_hash"`
	Disabled     *bool               `json:"disabled"`
	ForeignID    *string             `json:"foreign_id"`
	Roles        *[]string           `json:"roles"`
	Groups       *[]string           `json:"groups"`
	Entitlements *[]string           `json:"entitlements"`
	Extra        *storage.FreeClaims `json:"extra"`
}

// claims are those of before with what the body says.
func (b userBody) claims(before storage.UserClaims) storage.UserClaims {
	take(&before.Roles, b.Roles)
	take(&before.Groups, b.Groups)
	take(&before.Entitlements, b.Entitlements)
	take(&before.Extra, b.Extra)
	return before
}

func (b userBody) setsClaims() bool {
	return b.Roles != nil || b.Groups != nil || b.Entitlements != nil || b.Extra != nil
}

func (b userBody) user() operator.NewUser {
	n := operator.NewUser{Claims: b.claims(storage.UserClaims{})}
	take(&n.Name, b.Username)
	take(&n.PasswordHash, b.PasswordHash)
	take(&n.Disabled, b.Disabled)
	take(&n.ForeignID, b.ForeignID)
	if b.Password != nil {
		n.Password = storage.NewSecret(*b.Password)
	}
	return n
}

// userBody reads a body. An empty password is none, and whoever sends one may
// have meant another.
func (c opsCall) userBody() (body userBody, err error) {
	if err := c.read(&body); err != nil {
		return body, err
	}
	var problems []operator.Problem
	for name, given := range map[string]*string{"password": body.Password, "password_hash": body.PasswordHash} {
		if given != nil && *given == "" {
			problems = append(problems, operator.Problem{Field: name, Advice: "is empty: leave it out"})
		}
	}
	if len(problems) > 0 {
		return body, wrong(problems...)
	}
	return body, nil
}

// take sets what was given.
func take[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

type userList struct {
	Users []operator.UserView `json:"users"`
	Next  string              `json:"next,omitempty"` // "after" of the next page
}

// listUsers finds one user by name or foreign id, or lists them page by page.
func listUsers(c opsCall) (opsAnswer, error) {
	after, limit, err := c.page()
	if err != nil {
		return opsAnswer{}, err
	}
	var users []storage.User
	name, byName := c.query["username"]
	foreign, byForeign := c.query["foreign_id"]
	switch {
	case byName && byForeign:
		return opsAnswer{}, wrong(operator.Problem{Field: "username", Advice: "ask for a username or a foreign_id, not for both"})
	case byName:
		users, err = found(c.op.User(c.r.Context(), name))
	case byForeign:
		users, err = found(c.op.UserByForeignID(c.r.Context(), foreign))
	default:
		users, err = c.op.UserPage(c.r.Context(), after, limit)
	}
	if err != nil {
		return opsAnswer{}, err
	}
	list := userList{Users: []operator.UserView{}}
	for _, u := range users {
		list.Users = append(list.Users, operator.ViewUser(u))
	}
	if len(users) == limit && !byName && !byForeign {
		list.Next = users[limit-1].Name
	}
	return ok(list)
}

func addUser(c opsCall) (opsAnswer, error) {
	body, err := c.userBody()
	if err != nil {
		return opsAnswer{}, err
	}
	u, err := c.op.AddUser(c.r.Context(), body.user())
	if err != nil {
		return opsAnswer{}, err
	}
	return madeUser(u)
}

func madeUser(u storage.User) (opsAnswer, error) {
	return opsAnswer{http.StatusCreated, "/users/" + u.ID.String(), operator.ViewUser(u)}, nil
}

// putUser makes the user of a foreign id exactly so, however often it is asked to.
func putUser(c opsCall) (opsAnswer, error) {
	body, err := c.userBody()
	if err != nil {
		return opsAnswer{}, err
	}
	n := body.user()
	if body.ForeignID != nil && n.ForeignID != c.path["foreign_id"] {
		return opsAnswer{}, wrong(operator.Problem{Field: "foreign_id", Advice: "differs from the one in the path: leave it out"})
	}
	n.ForeignID = c.path["foreign_id"]
	u, created, err := c.op.PutUser(c.r.Context(), n)
	switch {
	case err != nil:
		return opsAnswer{}, err
	case created:
		return madeUser(u)
	}
	return ok(operator.ViewUser(u))
}

func getUser(c opsCall) (opsAnswer, error) {
	u, err := c.user()
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewUser(u))
}

func (c opsCall) user() (storage.User, error) {
	id, err := c.subject()
	if err != nil {
		return storage.User{}, err
	}
	return c.op.UserByID(c.r.Context(), id)
}

func editUser(c opsCall) (opsAnswer, error) {
	body, err := c.userBody()
	if err != nil {
		return opsAnswer{}, err
	}
	return overtaken(func() (opsAnswer, error) { return c.editUser(body) })
}

// overtaken does again what another program was faster at: it changed what the
// act had read. A name that is taken is no such conflict.
func overtaken(act func() (opsAnswer, error)) (answer opsAnswer, err error) {
	for range maxOvertaken {
		var taken operator.Conflict
		if answer, err = act(); !errors.Is(err, storage.ErrConflict) || errors.As(err, &taken) {
			break
		}
	}
	return answer, err
}

const maxOvertaken = 10

func (c opsCall) editUser(body userBody) (opsAnswer, error) {
	u, err := c.user()
	if err != nil {
		return opsAnswer{}, err
	}
	edit := operator.UserEdit{Name: body.Username, ForeignID: body.ForeignID, PasswordHash: body.PasswordHash, Disabled: body.Disabled}
	if body.Password != nil {
		secret := storage.NewSecret(*body.Password)
		edit.Password = &secret
	}
	if body.setsClaims() {
		claims := body.claims(u.Claims)
		edit.Claims, edit.From = &claims, &u.Claims
	}
	u, _, err = c.op.EditUser(c.r.Context(), u.ID, edit)
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewUser(u))
}

type endedSessions struct {
	Ended int `json:"sessions_ended"`
}

func removeUser(c opsCall) (opsAnswer, error) {
	id, err := c.subject()
	if err != nil {
		return opsAnswer{}, err
	}
	n, err := c.op.RemoveUser(c.r.Context(), id)
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(endedSessions{n})
}

// found is a list of the one that was asked for, or of none.
func found(u storage.User, err error) ([]storage.User, error) {
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return []storage.User{u}, err
}
