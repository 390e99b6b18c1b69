package conformance

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
)

// params are a request's parameters in the order in which they are sent; a
// name may come twice, which url.Values could not say in order.
type params []param

type param struct{ name, value string }

// and returns ps with one more parameter.
func (ps params) and(name, value string) params {
	return append(slices.Clone(ps), param{name, value})
}

// set returns ps with the value of name replaced.
func (ps params) set(name, value string) params {
	out := slices.Clone(ps)
	for i := range out {
		if out[i].name == name {
			out[i].value = value
		}
	}
	return out
}

// without returns ps without any of the names.
func (ps params) without(names ...string) params {
	return slices.DeleteFunc(slices.Clone(ps), func(p param) bool { return slices.Contains(names, p.name) })
}

func (ps params) String() string {
	var parts []string
	for _, p := range ps {
		parts = append(parts, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	return strings.Join(parts, "&")
}

// An encoding turns parameters into a body.
type encoding func(params) (contentType, body string)

const formType = "application/x-www-form-urlencoded"

func formEncoded(ps params) (string, string) {
	return formType, ps.String()
}

func jsonEncoded(ps params) (string, string) {
	members := map[string]string{}
	for _, p := range ps {
		members[p.name] = p.value
	}
	body, _ := json.Marshal(members) // strings always marshal
	return "application/json", string(body)
}

func multipartEncoded(ps params) (string, string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range ps {
		w.WriteField(p.name, p.value) // into memory: cannot fail
	}
	w.Close()
	return w.FormDataContentType(), body.String()
}
