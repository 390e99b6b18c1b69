package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

const oldTokensKey = "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz"

// newExchangeWreck is a wreck whose crowd has old tokens of Simple JWT.
func newExchangeWreck(d *desk, tokens int) *wreck {
	t := d.T
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(oldTokensKey), 0o600); err != nil {
		t.Fatal(err)
	}
	d.serve("--issuer", someIssuer).stop(t) // makes the keys
	d.ok(`{"username": "ada", "foreign_id": "17"}`, "user", "import", "-", "--format", "jsonl")
	d.ok("", "client", "add", "--id=site", "--simplejwt", "--rotate", "--audience=api", "--retry-window=1m") // longer than a busy machine takes to ask again
	w := &wreck{desk: d, address: freeAddress(t), environ: []string{
		"HALLMARK_SIMPLEJWT_CLIENT=site", "HALLMARK_SIMPLEJWT_OLD_KEY_FILE=" + key,
		"HALLMARK_SIMPLEJWT_OLD_UNTIL=" + time.Now().AddDate(0, 0, 2).UTC().Format(time.DateOnly),
	}}
	w.crowd = &crowd{
		desk: d, url: "http://" + w.address + "/oauth2/token", client: "site", old: map[string]string{}, every: time.Second, spread: crashWindow,
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * tokens}},
	}
	for i := range tokens {
		text, signature := oldToken(fmt.Sprint("token ", i))
		first, err := storage.ForeignToken(signature)
		if err != nil {
			t.Fatal(err)
		}
		w.old[first.Reveal()] = text
		w.ledgers = append(w.ledgers, newLedger(first))
	}
	t.Cleanup(w.kill)
	return w
}

// oldToken is what Simple JWT wrote for the user 17.
func oldToken(id string) (text string, signature []byte) {
	now := time.Now().Unix()
	encode := base64.RawURLEncoding.EncodeToString
	text = encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"token_type":"refresh","jti":%q,"user_id":17,"iat":%d,"exp":%d}`, id, now-60, now+3600))
	mac := hmac.New(sha256.New, []byte(oldTokensKey))
	mac.Write([]byte(text))
	signature = mac.Sum(nil)
	return text + "." + encode(signature), signature
}

// exchange presents an old token, and returns the refresh token that is inside
// the JWT that answers it.
func (c *crowd) exchange(old string) (next string, err error) {
	var answer struct{ Refresh string }
	if err := c.post(strings.TrimSuffix(c.url, "/oauth2/token")+"/api/token/refresh/", url.Values{"refresh": {old}}, &answer); err != nil {
		return "", err
	}
	parts := strings.Split(answer.Refresh, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("answered %q", answer.Refresh)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Inner string `json:"refresh_token"`
	}
	err = json.Unmarshal(payload, &claims)
	return claims.Inner, err
}

// TestCrashExchange kills the server while old tokens of Simple JWT come over.
// Each begins one session, which is kept together with the token's record, and
// nothing that was answered is lost.
func TestCrashExchange(t *testing.T) {
	t.Parallel()
	const tokens = 150
	w := newExchangeWreck(newDesk(t), tokens)
	store, among := filepath.Join(w.data, "hallmark.db"), false
	count := func(from string) (n int) {
		t.Helper()
		db, err := openReadOnly(store)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow("SELECT count(*) FROM " + from).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const whole = "spent_tokens JOIN sessions ON sessions.id = session_id"
	w.crashes(2, func(crash int) {
		spent, sessions, both := count("spent_tokens"), count("sessions"), count(whole)
		if spent != sessions || both != spent {
			t.Errorf("crash %d left %d tokens that were exchanged, %d sessions, %d together", crash, spent, sessions, both)
		}
		among = among || spent > 0 && spent < tokens
	})
	if !among || w.failed.Load() == 0 {
		t.Errorf("no crash was among the exchanges; %d attempts without an answer", w.failed.Load())
	}
	for _, l := range w.ledgers { // the others come now
		if l.holds().Generation() == 0 {
			w.attempt(l)
		}
	}
	w.report()
	checkLosses(t, w.losses())
	if n := count(whole); n != tokens {
		t.Errorf("%d tokens began a session, want %d", n, tokens)
	}

	// Out of the window each is a copy, and ends the one session that it began.
	execSQL(t, store, fmt.Sprintf("UPDATE sessions SET rotated_at = rotated_at - %d", time.Hour.Microseconds()))
	for _, old := range w.old {
		var no *noToken
		if _, err := w.exchange(old); !errors.As(err, &no) || no.status != http.StatusUnauthorized || !strings.Contains(no.body, "blacklisted") {
			t.Errorf("an old token once more: %v", err)
		}
	}
	if n, live := count("sessions"), count("sessions WHERE ended_at = 0"); n != tokens || live != 0 {
		t.Errorf("%d sessions, %d of them go on beside a copy", n, live)
	}
}
