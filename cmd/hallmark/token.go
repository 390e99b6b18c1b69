package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	tokenTimeout = 30 * time.Second
	maxAnswer    = 1 << 20
)

type tokenCmd struct {
	Issuer           string   `setting:"" required:"" placeholder:"URL" help:"The issuer; its metadata names the token endpoint."`
	ClientID         string   `name:"client-id" required:"" placeholder:"ID" help:"The client to be."`
	ClientSecretFile string   `name:"client-secret-file" placeholder:"FILE" help:"File with the client secret, for a client that has one."`
	Auth             string   `enum:",client_secret_basic,client_secret_post" default:"" help:"How to send the secret: client_secret_basic or client_secret_post. Default: the first that the issuer supports."`
	Username         string   `required:"" placeholder:"NAME" help:"Who signs in. The password comes from a prompt or the first line of standard input."`
	Scope            []string `sep:" " placeholder:"SCOPE" help:"Scopes to ask for. Default: the client's."`
	Resource         []string `sep:" " placeholder:"URI" help:"APIs the token is to be for (RFC 8707). Default: the client's."`
	AccessToken      bool     `help:"Print the access token alone."`
}

func (c *tokenCmd) Run(ctx context.Context, p *process) error {
	var secret storage.Secret
	if c.ClientSecretFile != "" {
		var err error
		if secret, err = secretFile(c.ClientSecretFile); err != nil {
			return err
		}
	}
	if err := checkIssuer(c.Issuer); err != nil {
		return err
	}
	metadata, _, err := discovery.FetchMetadata(ctx, nil, c.Issuer)
	if err != nil {
		return fmt.Errorf("the issuer's metadata: %w; see whether it is running and --issuer is what it calls itself", err)
	}
	if err := checkEndpoint(metadata.TokenEndpoint); err != nil {
		return err
	}
	pw, err := p.readPassword(ctx, "Password for "+c.Username, false)
	if err != nil {
		return err
	}
	req, err := c.request(ctx, metadata, secret, pw)
	if err != nil {
		return err
	}
	answer, err := ask(req)
	if err != nil {
		return err
	}
	if c.AccessToken {
		_, err := fmt.Fprintln(p.stdout, answer["access_token"])
		return err
	}
	return Output{JSON: true}.print(p.stdout, answer, nil)
}

// checkEndpoint refuses to send credentials in the clear over a network.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return errors.New("the issuer's metadata has no token_endpoint that can be used")
	}
	if err := discovery.CheckIssuer(u.Scheme + "://" + u.Host); err != nil {
		return fmt.Errorf("the issuer's token_endpoint: %w", err)
	}
	return nil
}

// request builds RFC 6749 §4.3.2 with the client authentication of §2.3.1.
func (c *tokenCmd) request(ctx context.Context, m discovery.Metadata, secret, pw storage.Secret) (*http.Request, error) {
	form := url.Values{
		"grant_type": {storage.GrantPassword}, "username": {c.Username}, "password": {pw.Reveal()},
	}
	if len(c.Scope) > 0 {
		form.Set("scope", strings.Join(c.Scope, " "))
	}
	form["resource"] = c.Resource
	method := c.method(m, secret)
	if method != storage.AuthBasic {
		form.Set("client_id", c.ClientID)
	}
	if method == storage.AuthPost {
		form.Set("client_secret", secret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("token_endpoint: %w", err)
	}
	if method == storage.AuthBasic {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(secret.Reveal()))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	return req, nil
}

func (c *tokenCmd) method(m discovery.Metadata, secret storage.Secret) storage.AuthMethod {
	supported := m.TokenEndpointAuthMethodsSupported
	switch {
	case secret.Empty():
		return storage.AuthNone
	case c.Auth != "":
		return storage.AuthMethod(c.Auth)
	case len(supported) == 0, slices.Contains(supported, string(storage.AuthBasic)): // RFC 8414 §2: basic is the default
		return storage.AuthBasic
	}
	return storage.AuthPost
}

// ask sends the request and returns the successful answer's members.
func ask(req *http.Request) (map[string]any, error) {
	client := http.Client{
		Timeout:       tokenTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the token endpoint: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the token endpoint: %w", err)
	}
	var answer map[string]any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil {
		return nil, fmt.Errorf("the token endpoint answered %s without a JSON object", resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		text := fmt.Sprintf("the issuer refused: %v: %v", answer["error"], answer["error_description"])
		if after := resp.Header.Get("Retry-After"); after != "" {
			text += " Retry-After: " + after + " s."
		}
		return nil, errors.New(printable(text))
	}
	if token, ok := answer["access_token"].(string); !ok || token == "" {
		return nil, errors.New("the token endpoint answered without an access_token")
	}
	return answer, nil
}
