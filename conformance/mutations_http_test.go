package conformance_test

func httpMutations() map[string]string {
	return map[string]string{
		"http-nosniff": "sniff",
	}
}
