package verify_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// A resource server: it lets in who has a token of this issuer, for this API,
// with the scope "profile".
func Example() {
	v, err := verify.New(context.Background(), "https://auth.example.com", "https://api.example.com")
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verify.FromContext(r.Context())
		fmt.Fprintln(w, "Hello", claims.Subject)
	})
	http.Handle("/hello", v.Require("profile")(hello))
	log.Print(http.ListenAndServe("127.0.0.1:8090", nil))
}
