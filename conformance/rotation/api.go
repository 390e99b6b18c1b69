package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// An answer is what the API said to one token.
type answer struct {
	status    int // 0: there was none
	challenge string
	excerpt   string // the beginning of the body
	broken    error  // why there was no answer
}

func (a answer) accepted() bool { return a.status >= 200 && a.status < 300 }

// refused reports an answer that says no, whatever the number; a server error,
// a limit or no answer at all says nothing.
func (a answer) refused() bool {
	return a.status >= 300 && a.status < 500 && a.status != http.StatusTooManyRequests
}

// String is short: what the API said, not the page around it.
func (a answer) String() string {
	if a.broken != nil {
		return "no answer (" + a.broken.Error() + ")"
	}
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if a.challenge != "" {
		text += ", WWW-Authenticate: " + a.challenge
	}
	if a.excerpt != "" && !a.accepted() {
		text += ", " + a.excerpt
	}
	return text
}

const (
	maxAnswer  = 64 << 10
	maxExcerpt = 160
)

// ask sends a token, or none if it is empty. The error is the context's.
func (r *Rehearsal) ask(ctx context.Context, token string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.target.Method, r.target.URL, nil)
	if err != nil {
		return answer{}, fmt.Errorf("request: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token) // RFC 6750 §2.1
	}
	req.Header.Set("User-Agent", "hallmark-doctor")
	resp, err := r.cfg.Client.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return answer{broken: err}, ctx.Err()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{broken: err}, ctx.Err()
	}
	return answer{
		status:    resp.StatusCode,
		challenge: excerpt(resp.Header.Get("WWW-Authenticate"), token),
		excerpt:   excerpt(string(body), token),
	}, nil
}

// excerpt makes what a foreign server sent fit for a line of a report.
func excerpt(s, token string) string {
	if token != "" {
		s = strings.ReplaceAll(s, token, "(the token)")
	}
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > maxExcerpt {
		return string(runes[:maxExcerpt]) + "…"
	}
	return string(runes)
}

// until asks again and again, with a fresh token each time, until the answer
// is as wanted or patience ends. It returns the last answer and how long it took.
func (r *Rehearsal) until(ctx context.Context, patience time.Duration, token func() string, wanted func(answer) bool) (answer, time.Duration, error) {
	began := time.Now()
	for {
		a, err := r.ask(ctx, token())
		took := time.Since(began)
		if err != nil || wanted(a) || took >= patience {
			return a, took, err
		}
		if err := sleep(ctx, r.pause()); err != nil {
			return a, took, err
		}
	}
}

// traffic sends valid tokens for a while, as an API in use gets them, and
// returns the first answer that was no acceptance.
func (r *Rehearsal) traffic(ctx context.Context, k key, d time.Duration) (refused *answer, err error) {
	for end := time.Now().Add(d); ; {
		a, err := r.ask(ctx, r.token(k))
		if err != nil {
			return refused, err
		}
		if !a.accepted() && refused == nil {
			refused = &a
		}
		left := time.Until(end)
		if left <= 0 {
			return refused, nil
		}
		if err := sleep(ctx, min(left, r.pause())); err != nil {
			return refused, err
		}
	}
}

// pause is how far apart the requests of a wait are.
func (r *Rehearsal) pause() time.Duration {
	return min(max(r.cfg.Period/4, 250*time.Millisecond), time.Second)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
