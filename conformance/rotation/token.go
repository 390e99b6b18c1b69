package rotation

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

const lifetime = 5 * time.Minute

// claims are those of a valid token (RFC 9068 §2.2).
func (r *Rehearsal) claims() verify.Claims {
	now := time.Now().Truncate(time.Second)
	return verify.Claims{
		Issuer: r.cfg.Issuer, Subject: "rehearsal", Audience: []string{r.target.Audience},
		IssuedAt: now, ExpiresAt: now.Add(lifetime), AuthTime: now,
		ID: random(), ClientID: "hallmark-doctor", Scope: r.target.Scope,
	}
}

func random() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// token is a valid one, if the key is.
func (r *Rehearsal) token(k key) string { return r.sign(k, r.claims()) }

// with is a token of K1 whose claims were changed before it was signed.
func (r *Rehearsal) with(change func(*verify.Claims)) string {
	c := r.claims()
	change(&c)
	return r.sign(r.k1, c)
}

// sign cannot fail: the claims are complete, and New has signed with no other
// kind of key.
func (r *Rehearsal) sign(k key, c verify.Claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	token, err := k.sign(payload)
	if err != nil {
		panic(err)
	}
	return token
}

// altered has another subject than the one that was signed.
func (r *Rehearsal) altered() string {
	parts := strings.Split(r.token(r.k1), ".")
	c := r.claims()
	c.Subject = "somebody-else"
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // see sign
	}
	return parts[0] + "." + encode(payload) + "." + parts[2]
}

// unsigned says alg none (RFC 8725 §2.1).
func (r *Rehearsal) unsigned() string {
	return r.headed("none") + "."
}

// confused is signed by HMAC with the public key in the way it is most often
// configured, as PEM (RFC 8725 §2.1).
func (r *Rehearsal) confused() string {
	der, err := x509.MarshalPKIXPublicKey(r.k1.Public().Key)
	if err != nil {
		panic(err) // a public key made by newKey
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	input := r.headed("HS256")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// headed is the signing input of a valid token under another alg.
func (r *Rehearsal) headed(alg string) string {
	header, err := json.Marshal(map[string]string{"alg": alg, "typ": "at+jwt", "kid": r.k1.KeyID})
	if err != nil {
		panic(err) // strings only
	}
	payload, err := json.Marshal(r.claims())
	if err != nil {
		panic(err) // see sign
	}
	return encode(header) + "." + encode(payload)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
