package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddr returns the address that a request comes from: the peer's, or, if
// the peer is a trusted proxy, the one nearest to us in X-Forwarded-For that is
// not a proxy of ours. Each proxy appends who called it, so what stands further
// left is the caller's own claim. Nobody else is believed a word.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := parseAddr(host)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		next := parseAddr(strings.TrimSpace(hop))
		if !next.IsValid() {
			break // a proxy that appends no address has nothing to say
		}
		addr = next
	}
	return addr
}

// parseAddr reads an address in one of its spellings, the same host in all.
func parseAddr(s string) netip.Addr {
	addr, _ := netip.ParseAddr(s)
	return addr.Unmap().WithZone("")
}
