package conformance_test

import "slices"

func httpMutations() map[string]string {
	return map[string]string{
		"http-nosniff":        "sniff",
		"http-csp-json":       "no-csp open-csp",
		"http-hsts":           "hsts-in-clear no-hsts short-hsts",
		"http-banner":         "banner powered",
		"http-no-compression": "zstd",
		"http-request-id":     "same-request-id secret-request-id",
		"http-date":           "clock-off no-date",

		"http-cors-token":       "cors-reflected",
		"http-cors-credentials": "cors-trusting",
		"http-cors-null":        "cors-trusting cors-null",

		"http-405-allow":       "no-allow doc-post-any",
		"http-head-options":    "head-500",
		"http-trace":           "trace",
		"http-error-pages":     "html-405 trace-404 stack-trace",
		"http-debug-endpoints": "debug",

		"http-chunked":             "length-wanted",
		"http-keepalive-isolation": "sticky-auth sticky-client",
		"http-expect-continue":     "expect-ignored",

		"http-http2":         "h2-lenient",
		"http-smuggling":     "chunks-kept",
		"http-header-limits": "large-500",

		"http-forwarded-spoof": "forwarded-believed",

		"http-tls12":   "tls-old",
		"http-tls13":   "no-tls13",
		"http-ciphers": "rc4",
		"http-cert":    "rsa-1024",
	}
}

// needsTLS reports whether a mutation shows only over TLS.
func needsTLS(mutation string) bool {
	return slices.Contains([]string{"http-too", "tls-old", "no-tls13", "rc4", "rsa-1024", "no-hsts", "short-hsts", "h2-lenient"}, mutation)
}
