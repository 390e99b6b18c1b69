package server

import (
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// acting is the operator, or who says what an act on keys would come to.
func (c opsCall) acting(dryRun bool) *operator.Operator {
	if dryRun {
		return c.op.DryRun()
	}
	return c.op
}

// A revokeBody says why a key is revoked.
type revokeBody struct {
	Reason string `json:"reason"`
	DryRun bool   `json:"dry_run"`
}

func revokeKey(c opsCall) (opsAnswer, error) {
	var body revokeBody
	if err := c.mayRead(&body); err != nil {
		return opsAnswer{}, err
	}
	done, err := c.acting(body.DryRun).RevokeKey(c.r.Context(), c.path["kid"], body.Reason)
	if err != nil {
		return opsAnswer{}, err
	}
	view := operator.ViewRevocation(done)
	view.DryRun = body.DryRun
	return ok(view)
}

func getPolicy(c opsCall) (opsAnswer, error) {
	s, err := c.op.KeyPolicy(c.r.Context())
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewPolicy(s))
}

// A policyBody changes the key schedule: what is left out stays as it is.
type policyBody struct {
	Algorithms   []keys.Algorithm `json:"algorithms"`
	RotateEvery  int64            `json:"rotate_every_seconds"`
	PublishAhead int64            `json:"publish_ahead_seconds"`
	KeepAfter    int64            `json:"keep_after_seconds"`
	RSABits      int              `json:"rsa_bits"`
	Force        bool             `json:"force"`
	DryRun       bool             `json:"dry_run"`
}

func editPolicy(c opsCall) (opsAnswer, error) {
	var body policyBody
	if err := c.read(&body); err != nil {
		return opsAnswer{}, err
	}
	done, err := c.acting(body.DryRun).ChangeKeyPolicy(c.r.Context(), operator.PolicyEdit{
		Algorithms: body.Algorithms, RotateEvery: inSeconds(body.RotateEvery), PublishAhead: inSeconds(body.PublishAhead),
		KeepAfter: inSeconds(body.KeepAfter), RSABits: body.RSABits, Force: body.Force, Access: c.access,
	})
	if err != nil {
		return opsAnswer{}, err
	}
	view := operator.ViewPolicyChange(done)
	view.DryRun = body.DryRun
	return ok(view)
}

// inSeconds is out of every range, not wrapped around, where the number is too big.
func inSeconds(s int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	if s < -most || s > most {
		return -1
	}
	return time.Duration(s) * time.Second
}
