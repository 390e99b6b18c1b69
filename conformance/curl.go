package conformance

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// maxCurl bounds a command. A longer one is left out, not cut: half a command
// is another one.
const maxCurl = 4096

// wire is a request as it is sent.
type wire struct {
	method, address string
	header          http.Header
	body            string
	fields          params // what the body was made of
}

// keep remembers the request that p.sent is about.
func (p *Probe) keep(w wire) {
	if p.wires == nil {
		p.wires = map[string]wire{}
	}
	p.wires[p.sent] = w
}

// curl is the command line that repeats the evidence in bash or zsh, or "" where
// there is none. Secrets are variables in it. What a server chose, such as the
// address of its endpoints, cannot leave its quotes.
func (p *Probe) curl() string {
	w, ok := p.wires[p.sent]
	if !ok || !strings.HasPrefix(w.address, "https://") && !strings.HasPrefix(w.address, "http://") {
		return ""
	}
	c := command{secrets: p.secrets, parts: []string{"curl -sS -i"}}
	if strings.ContainsAny(w.address, "[]{}") {
		c.parts = append(c.parts, "-g")
	}
	if strings.Contains(w.address, "/.") && !strings.Contains(w.address, "/.well-known/") {
		c.parts = append(c.parts, "--path-as-is")
	}
	c.add("", w.address)
	switch {
	case w.method == http.MethodHead:
		c.parts = append(c.parts, "-I")
	case w.method == http.MethodPost && w.body != "" || w.method == http.MethodGet && w.body == "":
	default:
		c.add("-X", w.method)
	}
	c.headers(w)
	c.data(w)
	line := strings.Join(c.parts, " ")
	if c.impossible || len(line) > maxCurl {
		return ""
	}
	return line
}

// A command is a shell command in the making.
type command struct {
	secrets    *redactor
	parts      []string
	impossible bool // something in it cannot be an argument
}

func (c *command) add(option, value string) {
	if strings.ContainsRune(value, 0) {
		c.impossible = true
	}
	if option != "" {
		c.parts = append(c.parts, option)
	}
	c.parts = append(c.parts, c.secrets.shell(value))
}

func (c *command) headers(w wire) {
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		for _, value := range w.header[name] {
			switch id, secret, ok := basicParts(value); {
			case name == "Content-Type" && value == formType && w.body != "": // what curl says itself
			case name == "Authorization" && len(w.header[name]) > 1: // curl sends the last -u alone
				c.impossible = true
			case name == "Authorization" && ok && c.secrets.knows(secret):
				c.add("-u", id+":"+secret)
			case value == "":
				c.add("-H", name+";")
			default:
				c.add("-H", name+": "+value)
			}
		}
	}
	if w.body != "" && len(w.header["Content-Type"]) == 0 {
		c.add("-H", "Content-Type:")
	}
}

// data is the body: field by field where it is a form, so that the variables
// hold the secrets as they are.
func (c *command) data(w wire) {
	switch {
	case w.body == "":
	case w.body == w.fields.String():
		for _, f := range w.fields {
			c.add("--data-urlencode", url.QueryEscape(f.name)+"="+f.value)
		}
	default:
		c.add("--data-raw", w.body)
	}
}

// basicParts are the halves of Basic credentials as they are encoded.
func basicParts(header string) (id, secret string, ok bool) {
	encoded, isBasic := strings.CutPrefix(header, "Basic ")
	text, err := base64.StdEncoding.DecodeString(encoded)
	if !isBasic || err != nil {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}

// knows reports whether s is a secret, in any of its forms.
func (r *redactor) knows(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.labels[s] != ""
}

// shell is s as one word of a command, with variables in the place of secrets.
func (r *redactor) shell(s string) string {
	var b strings.Builder
	for i, part := range r.parted(s) {
		switch {
		case i%2 == 1:
			b.WriteString(`"$` + part + `"`)
		case part != "":
			b.WriteString(quoted(part))
		}
	}
	if b.Len() == 0 {
		return "''"
	}
	return b.String()
}

// quoted is s as bash and zsh read it back, in printable characters.
func quoted(s string) string {
	plain, printable := true, true
	for _, c := range s {
		plain = plain && (c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune("-._/:=%+,@", c))
		printable = printable && unicode.IsPrint(c) && c != unicode.ReplacementChar
	}
	switch {
	case plain:
		return s
	case printable:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= ' ' && c < 0x7f && c != '\'' && c != '\\' && c != '!' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return "$'" + b.String() + "'"
}
