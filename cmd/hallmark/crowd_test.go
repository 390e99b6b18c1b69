package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A crowd is the tabs of many sessions, all refreshing. Every eighth session
// has three tabs, which share what they store; each tab now and then loses an
// answer on its way.
type crowd struct {
	desk    *desk
	url     string // of the token endpoint
	client  string // client_id
	http    *http.Client
	ledgers []*ledger
	old     map[string]string // old tokens, by what they are to the ratchet
	every   time.Duration     // between two refreshes of a tab, at most
	spread  time.Duration     // over which the tabs begin: then rotations are due at any moment, those of a crash too

	deaf     atomic.Bool // no tab gets an answer, whatever the service does
	rest     atomic.Bool // tabs make no new attempt, and finish the one they are in
	tabs     sync.WaitGroup
	waiting  atomic.Int64 // tabs that had no answer to their first try
	asked    atomic.Int64 // attempts that were answered with a token
	failed   atomic.Int64 // attempts without an answer, or with 503
	rejected atomic.Int64 // of these, 503
}

// crowded adds a user, a client with a retry window, and sessions.
func (d *desk) crowded(address string, sessions int, window time.Duration) *crowd {
	d.Helper()
	d.ok("", "user", "add", "alice", "--no-password")
	d.ok("", "client", "add", "--id=web", "--audience=api", "--retry-window="+window.String())
	c := &crowd{
		desk: d, url: "http://" + address + "/oauth2/token", client: "web", every: time.Second, spread: window,
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * sessions}},
	}
	store, err := sqlite.Open(d.Context(), filepath.Join(d.data, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		d.Fatal(err)
	}
	defer store.Close()
	u, err := store.UserByName(d.Context(), "alice")
	if err != nil {
		d.Fatal(err)
	}
	web, err := store.ClientByID(d.Context(), "web")
	if err != nil {
		d.Fatal(err)
	}
	for range sessions {
		n := storage.NewSession{
			Token: storage.NewRefreshToken(), User: u.ID, Client: web.Number, Audience: web.DefaultAudiences,
			AbsoluteLifetime: 24 * time.Hour, IdleLifetime: 24 * time.Hour, Address: "192.0.2.1", Now: time.Now(),
		}
		if _, err := store.CreateSession(d.Context(), n); err != nil {
			d.Fatal(err)
		}
		c.ledgers = append(c.ledgers, newLedger(n.Token))
	}
	return c
}

// begin has every tab refresh until the crowd is at rest.
func (c *crowd) begin() {
	c.rest.Store(false)
	for i, l := range c.ledgers {
		for range 1 + i%8/7*2 {
			c.tabs.Go(func() {
				time.Sleep(rand.N(c.spread))
				for !c.rest.Load() && c.attempt(l) {
					time.Sleep(rand.N(c.every))
				}
			})
		}
	}
}

// settle lets every tab get its last answer.
func (c *crowd) settle() {
	c.rest.Store(true)
	c.tabs.Wait()
}

// attempt asks until there is an answer, as a client should: with the token
// that is stored now, each time. It reports whether the session goes on.
func (c *crowd) attempt(l *ledger) bool {
	for try := range 2000 {
		token, err := c.refresh(l.holds().Reveal())
		lost := c.deaf.Load() || rand.IntN(10) == 0
		var no *noToken
		switch {
		case err == nil && lost: // on the way
			l.answer(token, false)
		case err == nil:
			l.answer(token, true)
			c.asked.Add(1)
			if try > 0 {
				c.waiting.Add(-1)
			}
			return true
		case errors.As(err, &no) && (no.status != http.StatusServiceUnavailable || no.retryAfter == ""):
			l.refused(no.Error())
			return false
		case no != nil:
			c.rejected.Add(1)
			c.failed.Add(1)
		default:
			c.failed.Add(1)
		}
		if try == 0 {
			c.waiting.Add(1)
		}
		time.Sleep(50*time.Millisecond + rand.N(150*time.Millisecond))
	}
	l.refused("no answer in two thousand attempts")
	return false
}

// A noToken is an answer that has no token.
type noToken struct {
	status     int
	retryAfter string
	body       string
}

func (r *noToken) Error() string { return fmt.Sprintf("answered %d %s", r.status, r.body) }

func (c *crowd) refresh(token string) (next string, err error) {
	if old, is := c.old[token]; is {
		return c.exchange(old)
	}
	var answer struct {
		Refresh string `json:"refresh_token"`
	}
	err = c.post(c.url, url.Values{"grant_type": {"refresh_token"}, "client_id": {c.client}, "refresh_token": {token}}, &answer)
	return answer.Refresh, err
}

// post sends a form and reads the answer that has a token.
func (c *crowd) post(url string, form url.Values, answer any) error {
	resp, err := c.http.PostForm(url, form)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &noToken{resp.StatusCode, resp.Header.Get("Retry-After"), strings.TrimSpace(string(body))}
	}
	return json.Unmarshal(body, answer)
}

// losses is what is wrong with the sessions, when the crowd has settled and the
// server runs.
func (c *crowd) losses() (found []string) {
	d := c.desk
	d.Helper()
	rows, err := crowdRows(d.Context(), filepath.Join(d.data, "hallmark.db"))
	if err != nil {
		return []string{err.Error()}
	}
	if len(rows) != len(c.ledgers) {
		found = append(found, fmt.Sprintf("%d sessions of %d", len(rows), len(c.ledgers)))
	}
	for i, l := range c.ledgers {
		row := rows[l.holds().SessionID()]
		if row.ended != "" {
			found = append(found, fmt.Sprintf("session %d ended: %s", i, row.ended))
		}
		for _, wrong := range l.verdict(row.generation, func(token string) error {
			next, err := c.refresh(token)
			if err == nil {
				l.held, err = storage.ParseRefreshToken(next) // verdict holds the lock
				l.answered[l.held.Generation()] = next
			}
			return err
		}) {
			found = append(found, fmt.Sprintf("session %d: %s", i, wrong))
		}
	}
	return found
}

// onlyOneIsGood presents what was superseded: each is refused. It ends the sessions.
func (c *crowd) onlyOneIsGood(window time.Duration) (tried int, found []string) {
	time.Sleep(window)
	for i, l := range c.ledgers {
		old := l.oldest()
		if old == "" {
			continue
		}
		tried++
		_, err := c.refresh(old)
		var no *noToken
		if !errors.As(err, &no) || no.status != http.StatusBadRequest || !strings.Contains(no.body, "invalid_grant") {
			found = append(found, fmt.Sprintf("session %d: two lineages: a token that was superseded got %v", i, err))
		}
	}
	return tried, found
}

type sessionRow struct {
	generation uint32
	ended      string
}

func crowdRows(ctx context.Context, path string) (map[storage.SessionID]sessionRow, error) {
	db, err := openReadOnly(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return nil, fmt.Errorf("integrity_check: %s, %w", verdict, err)
	}
	rows, err := db.QueryContext(ctx, "SELECT id, generation, coalesce(end_reason, '') FROM sessions")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[storage.SessionID]sessionRow{}
	for rows.Next() {
		var id []byte
		var row sessionRow
		if err := rows.Scan(&id, &row.generation, &row.ended); err != nil {
			return nil, err
		}
		found[storage.SessionID(id)] = row
	}
	return found, rows.Err()
}
