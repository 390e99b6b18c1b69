package conformance_test

import "slices"

func httpMutations() map[string]string {
	return map[string]string{
		"http-nosniff": "sniff",

		"http-chunked":             "length-wanted",
		"http-keepalive-isolation": "sticky-auth sticky-client",
		"http-expect-continue":     "expect-ignored",

		"http-tls12":   "tls-old",
		"http-tls13":   "no-tls13",
		"http-ciphers": "rc4",
		"http-cert":    "rsa-1024",
	}
}

// needsTLS reports whether a mutation shows only over TLS.
func needsTLS(mutation string) bool {
	return slices.Contains([]string{"http-too", "tls-old", "no-tls13", "rc4", "rsa-1024"}, mutation)
}
