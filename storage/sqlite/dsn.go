package sqlite

import "net/url"

// Every setting that matters is in the DSN, so that each connection of a pool
// has it. The names with an underscore are the driver's.

// writerDSN is for the one connection that writes. Its busy timeout is 0
// because SQLite's own waiting backs off up to 100 ms and starves; poll waits.
func writerDSN(path string) string {
	return dsn(path, map[string]string{
		"mode":           "rw", // the file was made with its permissions before
		"_busy_timeout":  "0",
		"_txlock":        "immediate", // a transaction that upgrades its lock may fail half-way
		"_journal_mode":  "WAL",
		"_synchronous":   "FULL", // a commit that was answered outlasts a power cut
		"_secure_delete": "on",   // what is deleted is overwritten
		"_foreign_keys":  "on",
		"_cache_size":    "-16384", // KiB; a batch fits and is written once
	})
}

// readerDSN is for the pool that reads; the journal mode is the file's.
func readerDSN(path string) string {
	return dsn(path, map[string]string{
		"mode":           "rw", // even a reader of a write-ahead log writes its index
		"_busy_timeout":  "5000",
		"_txlock":        "deferred",
		"_query_only":    "on",
		"_synchronous":   "FULL",
		"_secure_delete": "on",
		"_foreign_keys":  "on",
	})
}

// probeDSN is for the first look at a file that may be anything: it changes
// nothing, not even the journal mode.
func probeDSN(path string) string {
	return dsn(path, map[string]string{
		"mode":          "ro",
		"_busy_timeout": "0",
		"_txlock":       "deferred",
		"_query_only":   "on",
	})
}

func dsn(path string, settings map[string]string) string {
	query := url.Values{"_stmt_cache_size": {"64"}} // prepared statements, for each connection
	for name, value := range settings {
		query.Set(name, value)
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	return u.String()
}

// aloneDSN is for a file that nobody else has open: a copy that is being made.
// It is one file again after each transaction.
func aloneDSN(path string) string {
	return dsn(path, map[string]string{
		"mode":           "rw",
		"_busy_timeout":  "0",
		"_txlock":        "exclusive",
		"_journal_mode":  "DELETE",
		"_synchronous":   "FULL",
		"_secure_delete": "on",
		"_foreign_keys":  "on",
	})
}

// sourceDSN is for a file that is copied, of which nothing may change. SQLite
// refuses to copy on a connection that is query_only.
func sourceDSN(path string) string {
	return dsn(path, map[string]string{
		"mode":          "ro",
		"_busy_timeout": "0",
	})
}
