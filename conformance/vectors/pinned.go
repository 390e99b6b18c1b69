//go:build wycheproof

// Package vectors names the vectors for go.mod's sake and does not link them:
// they would make every test binary a hundred megabytes larger. The tests read
// the files of the module.
package vectors

import _ "github.com/c2sp/wycheproof"
