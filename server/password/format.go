package password

import (
	"fmt"
	"strings"
)

// maxEncoded bounds a stored hash in bytes, before it is parsed.
const maxEncoded = 512

// A hash is a stored password hash of any format, parsed.
type hash struct {
	cost    Params                     // of one verification
	matches func(prepared []byte) bool // does the work, compares in constant time
	native  bool                       // of the format, salt and key sizes of new hashes: current if the cost is the pool's
}

// A format reads the stored hashes that begin with its prefix. Its parser does
// no work that grows with a number in the hash, accepts one spelling of a hash
// only, and reports ErrFormat for all else.
type format struct {
	prefix string
	parse  func(encoded string) (hash, error)
}

var formats = [...]format{
	{argon2idPrefix, parseArgon2id},
}

// parse reads a stored hash and holds it to the cap. The error is ErrFormat or ErrCost.
func parse(encoded string, limit Params) (hash, error) {
	if len(encoded) > maxEncoded {
		return hash{}, fmt.Errorf("%w: longer than %d bytes", ErrFormat, maxEncoded)
	}
	for _, f := range formats {
		if !strings.HasPrefix(encoded, f.prefix) {
			continue
		}
		h, err := f.parse(encoded)
		if err != nil {
			return hash{}, err
		}
		if !h.cost.within(limit) {
			return hash{}, fmt.Errorf("%w: %s, at most %s", ErrCost, h.cost, limit)
		}
		return h, nil
	}
	return hash{}, fmt.Errorf("%w: no known prefix", ErrFormat)
}
