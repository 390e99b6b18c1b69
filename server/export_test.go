package server

// ErrorIDs are those of docs/errors.md.
func ErrorIDs() (ids []string) {
	for _, section := range documented() {
		for _, e := range section.errors {
			ids = append(ids, e.ID)
		}
	}
	return ids
}
