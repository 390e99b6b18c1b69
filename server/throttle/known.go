package throttle

import (
	"container/list"
	"slices"
)

// knownNetworks is how many networks are remembered for an account. Without a
// bound of its own, one account could push all others out.
const knownNetworks = 8

// known remembers from where accounts have signed in: for at most limit
// accounts, those with the latest sign-ins, their latest networks.
type known struct {
	limit    int
	accounts map[[16]byte]*list.Element
	latest   list.List // of *places, the latest sign-in first
}

// places are where one account has signed in, the latest last.
type places struct {
	account  [16]byte
	networks [][16]byte
}

func newKnown(limit int) *known {
	return &known{limit: limit, accounts: map[[16]byte]*list.Element{}}
}

func (n *known) has(k key) bool {
	e, ok := n.accounts[k.account]
	return ok && slices.Contains(e.Value.(*places).networks, k.network)
}

func (n *known) add(k key) {
	e, ok := n.accounts[k.account]
	if !ok {
		e = n.latest.PushFront(&places{account: k.account})
		n.accounts[k.account] = e
	}
	n.latest.MoveToFront(e)
	p := e.Value.(*places)
	p.networks = slices.DeleteFunc(p.networks, func(old [16]byte) bool { return old == k.network })
	if len(p.networks) == knownNetworks {
		p.networks = slices.Delete(p.networks, 0, 1)
	}
	p.networks = append(p.networks, k.network)
	if n.latest.Len() > n.limit {
		oldest := n.latest.Remove(n.latest.Back()).(*places)
		delete(n.accounts, oldest.account)
	}
}
