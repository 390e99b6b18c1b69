package server

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// A clientBody is what the API takes of a client: the members of
// operator.ClientView that can be set. A member that is left out stays as it
// is, or is the default in a client that is made.
type clientBody struct {
	ID               *string   `json:"client_id"`
	Name             *string   `json:"client_name"`
	AuthMethod       *string   `json:"token_endpoint_auth_method"`
	Grants           *[]string `json:"grant_types"`
	Scope            *string   `json:"scope"`
	DefaultScope     *string   `json:"default_scope"`
	Audiences        *[]string `json:"audiences"`
	DefaultAudiences *[]string `json:"default_audiences"`
	Introspects      *[]string `json:"introspects"`
	Claims           *[]string `json:"claims"`
	Origins          *[]string `json:"origins"`
	Algorithm        *string   `json:"algorithm"`
	Access           *float64  `json:"access_lifetime"`
	Idle             *float64  `json:"idle_lifetime"`
	Absolute         *float64  `json:"absolute_lifetime"`
	RetryWindow      *float64  `json:"retry_window"`
	Rotate           *bool     `json:"rotate"`
}

// policy is p with what the body says.
func (b clientBody) policy(p storage.ClientPolicy) (storage.ClientPolicy, error) {
	take(&p.Grants, b.Grants)
	take(&p.Audiences, b.Audiences)
	take(&p.DefaultAudiences, b.DefaultAudiences)
	take(&p.Introspects, b.Introspects)
	take(&p.Claims, b.Claims)
	take(&p.Origins, b.Origins)
	take(&p.Algorithm, b.Algorithm)
	take(&p.Rotate, b.Rotate)
	for _, list := range []struct {
		given *string
		to    *[]string
	}{{b.Scope, &p.Scopes}, {b.DefaultScope, &p.DefaultScopes}} {
		if list.given != nil {
			*list.to = strings.Fields(*list.given)
		}
	}
	var problems []operator.Problem
	for _, d := range []struct {
		field string
		given *float64
		to    *time.Duration
	}{
		{"access_lifetime", b.Access, &p.AccessLifetime}, {"idle_lifetime", b.Idle, &p.IdleLifetime},
		{"absolute_lifetime", b.Absolute, &p.AbsoluteLifetime}, {"retry_window", b.RetryWindow, &p.RetryWindow},
	} {
		switch {
		case d.given == nil:
		case math.Abs(*d.given) > math.MaxInt64/float64(time.Second)/2:
			problems = append(problems, operator.Problem{Field: d.field, Advice: "is out of range: give seconds"})
		default:
			*d.to = time.Duration(*d.given * float64(time.Second))
		}
	}
	if len(problems) > 0 {
		return p, wrong(problems...)
	}
	return p, nil
}

type clientList struct {
	Clients []operator.ClientView `json:"clients"`
}

func listClients(c opsCall) (opsAnswer, error) {
	clients, err := c.op.ListClients(c.r.Context())
	if err != nil {
		return opsAnswer{}, err
	}
	list := clientList{[]operator.ClientView{}}
	for _, client := range clients {
		list.Clients = append(list.Clients, operator.ViewClient(client))
	}
	return ok(list)
}

// addClient has the defaults of the command line.
func addClient(c opsCall) (opsAnswer, error) {
	var body clientBody
	if err := c.read(&body); err != nil {
		return opsAnswer{}, err
	}
	policy, err := body.policy(storage.ClientPolicy{RetryWindow: storage.DefaultRetryWindow, Rotate: true})
	if err != nil {
		return opsAnswer{}, err
	}
	if body.Grants == nil {
		policy.Grants = operator.DefaultGrants(policy.Introspects, policy.Audiences)
	}
	n := operator.NewClient{AuthMethod: storage.AuthNone, ClientPolicy: policy}
	take(&n.ID, body.ID)
	take(&n.Name, body.Name)
	if body.AuthMethod != nil {
		n.AuthMethod = storage.AuthMethod(*body.AuthMethod)
	}
	client, secret, err := c.op.AddClient(c.r.Context(), n)
	if err != nil {
		return opsAnswer{}, err
	}
	return withSecret(client, secret)
}

// withSecret shows a secret, this once.
func withSecret(client storage.Client, secret storage.Secret) (opsAnswer, error) {
	view := operator.ViewClient(client)
	view.Secret = secret.Reveal()
	return opsAnswer{http.StatusCreated, "/clients/" + client.ID, view}, nil
}

func getClient(c opsCall) (opsAnswer, error) {
	client, err := c.op.Client(c.r.Context(), c.path["client_id"])
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewClient(client))
}

func editClient(c opsCall) (opsAnswer, error) {
	var body clientBody
	if err := c.read(&body); err != nil {
		return opsAnswer{}, err
	}
	return overtaken(func() (opsAnswer, error) { return c.editClient(body) })
}

func (c opsCall) editClient(body clientBody) (opsAnswer, error) {
	client, err := c.op.Client(c.r.Context(), c.path["client_id"])
	if err != nil {
		return opsAnswer{}, err
	}
	if err := body.keeps(client); err != nil {
		return opsAnswer{}, err
	}
	policy, err := body.policy(client.ClientPolicy)
	if err != nil {
		return opsAnswer{}, err
	}
	client, err = c.op.EditClient(c.r.Context(), client.ID, operator.ClientEdit{Name: body.Name, Policy: &policy, From: &client.ClientPolicy})
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewClient(client))
}

// keeps refuses to change what sessions and deployments rely on.
func (b clientBody) keeps(client storage.Client) error {
	var problems []operator.Problem
	for _, fixed := range []struct {
		field, now string
		given      *string
	}{{"client_id", client.ID, b.ID}, {"token_endpoint_auth_method", string(client.AuthMethod), b.AuthMethod}} {
		if fixed.given != nil && *fixed.given != fixed.now {
			problems = append(problems, operator.Problem{
				Field: fixed.field, Advice: fmt.Sprintf("is %q for good: leave it out, or register another client", fixed.now),
			})
		}
	}
	if len(problems) > 0 {
		return wrong(problems...)
	}
	return nil
}

func removeClient(c opsCall) (opsAnswer, error) {
	return opsAnswer{}, c.op.RemoveClient(c.r.Context(), c.path["client_id"])
}

// A secretBody says what becomes of the secrets there are: they stay, unless
// they are replaced, because one leaked.
type secretBody struct {
	Replace bool `json:"replace"`
}

func addSecret(c opsCall) (opsAnswer, error) {
	var body secretBody
	if err := c.read(&body); err != nil {
		return opsAnswer{}, err
	}
	client, secret, err := c.op.AddSecret(c.r.Context(), c.path["client_id"], body.Replace)
	if err != nil {
		return opsAnswer{}, err
	}
	return withSecret(client, secret)
}

func dropOldSecrets(c opsCall) (opsAnswer, error) {
	client, err := c.op.DropOldSecrets(c.r.Context(), c.path["client_id"])
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewClient(client))
}
