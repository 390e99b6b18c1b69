package conformance

import (
	"net/http"
	"testing"
)

// A challenge of Basic may stand beside others, in one field or in several.
func TestBasicChallenge(t *testing.T) {
	for _, tc := range []struct {
		fields []string
		want   Outcome
	}{
		{[]string{`Basic realm="x"`}, Pass},
		{[]string{`basic charset="UTF-8", realm=x`}, Pass},
		{[]string{`Bearer realm="a, b", Basic realm="x"`}, Pass},
		{[]string{`Negotiate, Basic realm="x"`}, Pass},
		{[]string{"Bearer", `Basic realm="x"`}, Pass},
		{[]string{`Bearer realm="Basic realm"`}, Fail},
		{[]string{`Basic charset="UTF-8"`}, Fail},
		{[]string{`Basic charset="UTF-8", Bearer realm="x"`}, Fail},
		{nil, Fail},
	} {
		if v := challenged(answer{header: http.Header{"Www-Authenticate": tc.fields}}); v.Outcome != tc.want {
			t.Errorf("%q: %s %q, want %s", tc.fields, v.Outcome, v.Why, tc.want)
		}
	}
}
