package operator

import (
	"github.com/hallmark-auth/hallmark/keys"
)

// A SignerView is who signs for clients of an algorithm.
type SignerView struct {
	Algorithm string `json:"alg"`
	Kid       string `json:"kid"`
}

func viewSigners(signers []Signer) []SignerView {
	out := []SignerView{}
	for _, s := range signers {
		out = append(out, SignerView{string(s.Algorithm), s.Kid})
	}
	return out
}

// An ExposureView is how long verifiers may still accept revoked keys.
type ExposureView struct {
	Accepted float64     `json:"accepted_for_seconds"` // by those that honour max-age
	Bounds   []BoundView `json:"bounds"`
}

// A BoundView is how long a kind of verifier may; null: until it is restarted.
type BoundView struct {
	Verifier string   `json:"verifier"`
	Accepted *float64 `json:"accepted_for_seconds"`
}

func viewExposure(e Exposure) ExposureView {
	v := ExposureView{e.AcceptedFor.Seconds(), []BoundView{}}
	for _, b := range e.Bounds {
		bound := BoundView{Verifier: b.Verifier}
		if s := b.AcceptedFor.Seconds(); s > 0 {
			bound.Accepted = &s
		}
		v.Bounds = append(v.Bounds, bound)
	}
	return v
}

// A RevocationView says what revoking a key came to.
type RevocationView struct {
	DryRun   bool       `json:"dry_run,omitempty"` // nothing was done
	Kid      string     `json:"kid"`
	Signing  SignerView `json:"signing"`
	Promoted bool       `json:"promoted"` // it did not sign before
	ExposureView
}

// ViewRevocation returns the view of a revocation.
func ViewRevocation(r Revocation) RevocationView {
	return RevocationView{
		Kid: r.Kid, Signing: SignerView{string(r.Signing.Algorithm), r.Signing.Kid}, Promoted: r.Promoted, ExposureView: viewExposure(r.Exposure),
	}
}

// A GeneralRevocationView says what revoking all keys came to.
type GeneralRevocationView struct {
	DryRun  bool         `json:"dry_run,omitempty"` // nothing was done
	Version int64        `json:"version,omitempty"`
	Revoked []string     `json:"revoked"`
	Signing []SignerView `json:"signing"`
	ExposureView
}

// ViewGeneralRevocation returns the view of a revocation of all keys.
func ViewGeneralRevocation(r GeneralRevocation) GeneralRevocationView {
	return GeneralRevocationView{
		Version: int64(r.Version), Revoked: append([]string{}, r.Revoked...), Signing: viewSigners(r.Signing), ExposureView: viewExposure(r.Exposure),
	}
}

// A RecoveryView says what a recovered key ring is made of.
type RecoveryView struct {
	DryRun  bool         `json:"dry_run,omitempty"` // nothing was done
	Version int64        `json:"version,omitempty"`
	Kept    []KeptView   `json:"kept"`
	Signing []SignerView `json:"signing"`
}

// A KeptView is a key that signs no more and stays published for a while.
type KeptView struct {
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Gone      string `json:"gone_at"`
}

// ViewRecovery returns the view of a recovery.
func ViewRecovery(r Recovery) RecoveryView {
	v := RecoveryView{Version: int64(r.Version), Kept: []KeptView{}, Signing: viewSigners(r.Signing)}
	for _, k := range r.Kept {
		v.Kept = append(v.Kept, KeptView{k.ID, string(k.Algorithm), stamp(k.GoneAt)})
	}
	return v
}

// An ImportView is a key that was imported.
type ImportView struct {
	DryRun    bool   `json:"dry_run,omitempty"` // nothing was done
	Kid       string `json:"kid"`
	Algorithm string `json:"alg"`
	Private   bool   `json:"private"`
	SignsFrom string `json:"signs_from,omitempty"` // of a key pair
	Gone      string `json:"gone_at,omitempty"`    // of a public key
}

// ViewImport returns the view of an imported key.
func ViewImport(i Import) ImportView {
	return ImportView{Kid: i.Kid, Algorithm: string(i.Algorithm), Private: i.Private, SignsFrom: stamp(i.SignsFrom), Gone: stamp(i.Gone)}
}

// A PolicyView is a key schedule with what the laws demand of it.
type PolicyView struct {
	Algorithms   []keys.Algorithm `json:"algorithms"`
	RotateEvery  float64          `json:"rotate_every_seconds"`
	PublishAhead float64          `json:"publish_ahead_seconds"`
	KeepAfter    float64          `json:"keep_after_seconds"`
	RSABits      int              `json:"rsa_bits"`
	MaxAge       float64          `json:"max_age_seconds"`
	Poll         float64          `json:"poll_seconds"`
	Skew         float64          `json:"skew_seconds"`
	LongestToken float64          `json:"longest_token_seconds"`
	Needs        []NeedView       `json:"needs"`
}

// A NeedView is how long a setting must be at least.
type NeedView struct {
	Setting string  `json:"setting"`
	Least   float64 `json:"least_seconds"`
	For     string  `json:"for"`
	Sum     string  `json:"sum"`
}

// ViewPolicy returns the view of a schedule.
func ViewPolicy(s keys.Schedule) PolicyView {
	v := PolicyView{
		Algorithms: s.Algorithms, RotateEvery: s.RotateEvery.Seconds(), PublishAhead: s.PublishAhead.Seconds(), KeepAfter: s.KeepAfter.Seconds(),
		RSABits: rsaBits(s), MaxAge: s.MaxAge.Seconds(), Poll: s.Poll.Seconds(), Skew: s.Skew.Seconds(), LongestToken: s.LongestToken().Seconds(),
	}
	for _, n := range s.Needs() {
		v.Needs = append(v.Needs, NeedView{n.Setting, n.Least.Seconds(), n.For, n.Sum})
	}
	return v
}

// A PolicyChangeView says what another schedule changes, and when.
type PolicyChangeView struct {
	DryRun  bool          `json:"dry_run,omitempty"` // nothing was done
	Changed bool          `json:"changed"`
	Version int64         `json:"version,omitempty"`
	Before  PolicyView    `json:"before"`
	After   PolicyView    `json:"after"`
	Added   []LineView    `json:"added"`
	Removed []LineView    `json:"removed"`
	Moved   []MoveView    `json:"moved"`
	Cut     CutTokensView `json:"cut"`
}

// A LineView is when a line of keys begins to sign, or ends.
type LineView struct {
	Algorithm string `json:"alg"`
	At        string `json:"at"`
}

// A MoveView is a waiting key that signs at another time.
type MoveView struct {
	Kid       string `json:"kid"`
	Algorithm string `json:"alg"`
	From      string `json:"signs_from_before"`
	To        string `json:"signs_from"`
}

// A CutTokensView is whose access tokens live shorter than they were set to.
type CutTokensView struct {
	Clients []string `json:"client_ids"`
	Server  bool     `json:"server"` // those of clients whose record does not say
}

// ViewPolicyChange returns the view of a change.
func ViewPolicyChange(c PolicyChange) PolicyChangeView {
	v := PolicyChangeView{
		Changed: c.Changed, Version: int64(c.Version), Before: ViewPolicy(c.Before), After: ViewPolicy(c.After),
		Added: viewLines(c.Added), Removed: viewLines(c.Removed), Moved: []MoveView{}, Cut: CutTokensView{append([]string{}, c.CutClients...), c.CutServer},
	}
	for _, m := range c.Moved {
		v.Moved = append(v.Moved, MoveView{m.Kid, string(m.Algorithm), stamp(m.Before), stamp(m.SignsFrom)})
	}
	return v
}

func viewLines(lines []Line) []LineView {
	out := []LineView{}
	for _, l := range lines {
		out = append(out, LineView{string(l.Algorithm), stamp(l.At)})
	}
	return out
}
