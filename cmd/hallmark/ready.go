package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Ops says where the operators' listener is.
type Ops struct {
	OpsListener

	Ops string `setting:"" placeholder:"URL" otherwise:"where the settings of serve put it" help:"URL of the operators' listener, where it is reached under another name than --ops-listen."`
}

type readyCmd struct {
	File
	Ops
	Output
}

const probeTime = 5 * time.Second

// A readiness is what the operators' listener says, and what programs get.
type readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func (c *readyCmd) Run(ctx context.Context, p *process) error {
	base, err := c.url()
	if err != nil {
		return err
	}
	ready, err := askReady(ctx, base, c.prober())
	if err != nil {
		return fail(exitFailure, "not ready: %w; see whether the server runs, and name its operators' listener with --ops", err)
	}
	err = c.print(p.stdout, ready, func(w io.Writer) error {
		if !ready.Ready {
			return nil
		}
		_, err := fmt.Fprintln(w, "ready")
		return err
	})
	if err == nil && !ready.Ready {
		err = fail(exitFailure, "not ready: %s", ready.Reason)
	}
	return err
}

// url is where the operators' listener is, without a path.
func (o Ops) url() (string, error) {
	switch {
	case o.Ops == "" && o.OpsTLSCert != "":
		return "https://" + dialable(o.OpsListen), nil
	case o.Ops == "":
		return "http://" + dialable(o.OpsListen), nil
	}
	u, err := url.Parse(o.Ops)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return "", usage("--ops: give the URL of the operators' listener, such as http://127.0.0.1:8081")
	}
	return u.Scheme + "://" + u.Host, nil
}

// dialable turns an address to listen on into one to connect to.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// prober is the client for the operators' listener. A URL that --ops gives is
// verified as any other. Where the settings of serve put the listener, on this
// machine, its certificate need not be for that address nor be known here:
// nothing secret is sent, and what is answered opens nothing.
func (o Ops) prober() *http.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.Ops == "" && o.OpsTLSCert != "" {
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	}
	return client
}

// askReady asks /readyz. An error means that it was not the server who answered.
func askReady(ctx context.Context, base string, client *http.Client) (readiness, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return readiness{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return readiness{}, errors.New(unwrapURL(err))
	}
	defer resp.Body.Close()
	var said struct{ Status, Reason string }
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said)
	switch {
	case err != nil || said.Status == "":
		return readiness{}, fmt.Errorf("%s/readyz answered %s, which is not what this server would", base, resp.Status)
	case resp.StatusCode == http.StatusOK:
		return readiness{Ready: true}, nil
	}
	return readiness{Reason: printable(or(said.Reason, resp.Status))}, nil
}

// unwrapURL says why a request failed and whom it was for, once.
func unwrapURL(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.URL + ": " + wrapped.Err.Error()
	}
	return err.Error()
}
