package rotation

import (
	"context"
	"fmt"
	"time"
)

// turnover plays the rotation and its accidents.
func (r *Rehearsal) turnover(ctx context.Context) (goOn bool, err error) {
	learns := false
	for _, question := range []func(context.Context) error{
		func(ctx context.Context) (err error) { learns, err = r.announced(ctx); return err },
		r.overlap,
		func(ctx context.Context) error { return r.onlyIf(ctx, learns, "unannounced", r.unannounced) },
		r.flood,
		func(ctx context.Context) error { return r.onlyIf(ctx, learns, "revoked", r.revoked) },
		r.outage,
	} {
		if err := question(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}

// onlyIf spares the waits for an API of which the outcome is known.
func (r *Rehearsal) onlyIf(ctx context.Context, learns bool, id string, ask func(context.Context) error) error {
	if learns {
		return ask(ctx)
	}
	r.found(id, "does it notice that the key set changed", Skipped, "it did not notice the announced key", "")
	return nil
}

const fetchAgain = "let it fetch the key set again when that is older than its max-age, and, at most every half minute or so, when a token names a key that it does not know"

// announced is what every planned rotation is: a key that was published for a
// while begins to sign. It reports whether the API learned of the key.
func (r *Rehearsal) announced(ctx context.Context) (learned bool, err error) {
	const id, question = "announced", "is a token of a new key accepted that was published ahead"
	if err := r.issuer.publish(r.k1, r.k2); err != nil {
		return false, err
	}
	since, before := time.Now(), r.issuer.fetches.Load()
	ahead := 2 * r.cfg.Period
	r.cfg.Say(fmt.Sprintf("a new key is published; it signs in %s (a real one in 25h)", ahead))
	if _, err := r.traffic(ctx, r.k1, ahead); err != nil {
		return false, err
	}
	unasked := r.issuer.fetches.Load() - before
	r.cfg.Say(fmt.Sprintf("the new key signs; the API has up to %s to accept its tokens", r.cfg.Patience))
	a, _, err := r.until(ctx, r.cfg.Patience, func() string { return r.token(r.k2) }, answer.accepted)
	if err != nil {
		return false, err
	}
	age := time.Since(since).Round(100 * time.Millisecond)
	switch {
	case !a.accepted():
		r.found(id, question, Fail, fmt.Sprintf("the new key's tokens are still refused %s after the key was published: it answered %s", age, a),
			fetchAgain+"; if it fetches by its own timetable, ask again with a longer --timeout")
	case unasked == 0:
		r.found(id, question, OK, fmt.Sprintf("accepted %s after it was published; the key set was not fetched before a token named the key", age), "")
	default:
		r.found(id, question, OK, fmt.Sprintf("accepted %s after it was published; the key set was fetched %d times before a token named the key", age, unasked), "")
	}
	if a.accepted() {
		r.signer = r.k2
	}
	return a.accepted(), nil
}

// overlap: sessions under the old key go on until their tokens expire.
func (r *Rehearsal) overlap(ctx context.Context) error {
	const id, question = "old-key", "are tokens of the old key accepted while it is published"
	a, err := r.ask(ctx, r.token(r.k1))
	switch {
	case err != nil:
		return err
	case a.accepted():
		r.found(id, question, OK, a.String(), "")
	default:
		r.found(id, question, Fail, "the old key's tokens are refused though it is published: it answered "+a.String(), "keep all keys of the key set, not the newest alone")
	}
	return nil
}

// unannounced is an emergency in which no waiting key was left.
func (r *Rehearsal) unannounced(ctx context.Context) error {
	const id, question = "unannounced", "is a token of a key accepted that was not published ahead"
	if err := r.issuer.publish(r.k1, r.k2, r.k3); err != nil {
		return err
	}
	before := r.issuer.fetches.Load()
	r.cfg.Say(fmt.Sprintf("a key signs that nobody knew; the API has up to %s to accept its tokens", r.cfg.Patience))
	first, err := r.ask(ctx, r.token(r.k3))
	if err != nil {
		return err
	}
	refetches := r.issuer.fetches.Load() > before
	if first.accepted() {
		r.found(id, question, OK, "accepted at once: "+how(refetches), "")
		return nil
	}
	a, took, err := r.until(ctx, r.cfg.Patience, func() string { return r.token(r.k3) }, answer.accepted)
	switch {
	case err != nil:
		return err
	case a.accepted():
		r.found(id, question, OK, fmt.Sprintf("accepted after %s: %s", took.Round(100*time.Millisecond), how(refetches)), "")
	default:
		r.found(id, question, Warn, fmt.Sprintf("refused for %s: it answered %s", took.Round(time.Second), a),
			"after `hallmark keys recover`, or `keys rotate --now` with a key that was hardly published, it refuses tokens; "+fetchAgain)
	}
	return nil
}

func how(refetches bool) string {
	if refetches {
		return "it fetches the key set when a token names a key that it does not know"
	}
	return "the first token of an unknown key did not make it fetch the key set: it waits between two fetches, or goes by a timetable"
}

// flood: kids cost an attacker nothing.
func (r *Rehearsal) flood(ctx context.Context) error {
	const id, question = "flood", "how many fetches do tokens with invented kids cause"
	r.cfg.Say(fmt.Sprintf("%d tokens with invented kids are sent, in %s at most", r.cfg.Flood, r.cfg.Patience))
	before, began, sent, taken := r.issuer.fetches.Load(), time.Now(), 0, 0
	for ; sent < r.cfg.Flood && time.Since(began) < r.cfg.Patience; sent++ {
		a, err := r.ask(ctx, r.token(r.stranger.named(random())))
		if err != nil {
			return err
		}
		if a.accepted() {
			taken++
		}
	}
	took, fetches := time.Since(began), r.issuer.fetches.Load()-before
	after, err := r.ask(ctx, r.token(r.signer))
	if err != nil {
		return err
	}
	seen := fmt.Sprintf("%d tokens in %s caused %d fetches", sent, took.Round(100*time.Millisecond), fetches)
	regular := 2 + 2*int64(took/r.cfg.Period) // by max-age, which is short here
	switch {
	case taken > 0:
		r.found(id, question, Fail, fmt.Sprintf("it accepted %d tokens of keys that are not published", taken), "verify the signature with a key of the issuer's set only")
	case !after.accepted():
		r.found(id, question, Warn, seen+"; after them a valid token was answered "+after.String(), "let garbage not keep valid tokens out")
	case fetches > regular:
		r.found(id, question, Warn, seen+": anybody can make it burden the issuer and itself", "fetch at most every half minute or so for kids that are not known")
	default:
		r.found(id, question, OK, seen, "")
	}
	return nil
}

// revoked: a leaked key is taken out of the set at once.
func (r *Rehearsal) revoked(ctx context.Context) error {
	const id, question = "revoked", "are tokens of a revoked key refused"
	if err := r.issuer.publish(r.k2, r.k3); err != nil {
		return err
	}
	r.cfg.Say(fmt.Sprintf("the first key is revoked; the API has up to %s to refuse its tokens", r.cfg.Patience))
	a, took, err := r.until(ctx, r.cfg.Patience, func() string { return r.token(r.k1) }, func(a answer) bool { return !a.accepted() })
	switch {
	case err != nil:
		return err
	case a.refused():
		r.found(id, question, OK, fmt.Sprintf("refused %s after the key left the key set, whose max-age is %s here", took.Round(100*time.Millisecond), r.cfg.Period), "")
	case a.accepted():
		r.found(id, question, Warn, fmt.Sprintf("still accepted %s after the key left the key set", took.Round(time.Second)),
			"replace the keys as a whole when the key set is fetched, and fetch it again when it is older than its max-age even if no unknown key comes")
	default:
		r.found(id, question, Warn, "it answered "+a.String(), "answer a token that is not good with 401 (RFC 6750 §3.1)")
	}
	return nil
}

// outage: offline verification is what the tokens are for.
func (r *Rehearsal) outage(ctx context.Context) error {
	const id, question = "outage", "are valid tokens accepted while the issuer is away"
	d := 3 * r.cfg.Period
	r.cfg.Say(fmt.Sprintf("the issuer is away for %s", d))
	r.issuer.down.Store(true)
	defer r.issuer.down.Store(false)
	// A fetch that is caused now fails, and must not spoil the keys that are there.
	if _, err := r.ask(ctx, r.token(r.stranger.named(random()))); err != nil {
		return err
	}
	refused, err := r.traffic(ctx, r.signer, d)
	switch {
	case err != nil:
		return err
	case refused == nil:
		r.found(id, question, OK, fmt.Sprintf("accepted for %s, three times the max-age", d), "")
	default:
		r.found(id, question, Warn, "a valid token was answered "+refused.String(), "keep the last keys in use while the issuer cannot be reached, for a day or so")
	}
	return nil
}
