package verify

import (
	"net/http"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A page is the metadata of the resource (RFC 9728), zero if there is none.
type page struct {
	url      string // for challenges
	path     string
	document *discovery.Document
}

// publish renders the metadata.
func (v *Verifier) publish() (err error) {
	if v.resource == "" {
		return nil
	}
	if v.page.url, v.page.path, err = discovery.ResourceMetadataURL(v.resource); err != nil {
		return err
	}
	issuers := []string{v.issuer}
	for _, other := range v.others {
		issuers = append(issuers, other.issuer)
	}
	v.page.document, err = discovery.ResourceMetadata{
		Resource: v.resource, AuthorizationServers: issuers, ScopesSupported: v.scopes,
		BearerMethodsSupported: []string{"header"}, // Require reads no other
	}.Document()
	return err
}

// ResourceMetadata returns the handler of the metadata that WithResource
// describes (RFC 9728 §3), and the path to serve it at:
//
//	mux.Handle(v.ResourceMetadata())
//
// It panics without WithResource, which is a mistake in the program.
func (v *Verifier) ResourceMetadata() (path string, handler http.Handler) {
	if v.page.document == nil {
		panic("verify: ResourceMetadata without WithResource")
	}
	return v.page.path, v.page.document
}
