// Command hallmark is the token server and everything an operator does to it.
//
//	hallmark serve                    the server; serve --demo to try it out
//	hallmark user add|list|show|passwd|claims|rename|disable|enable|remove|import|export
//	hallmark client add|list|show|change|secret|remove
//	hallmark session list|revoke
//	hallmark keys list|replicas|rotate|revoke|reseal|recover
//	hallmark operator token add|list|remove
//	hallmark audit                    what was done, by whom, when and from where; --follow
//	hallmark backup FILE              copy the store while the server runs
//	hallmark restore FILE             put a backup in its place
//	hallmark migrate                  take the store to the schema of this program
//	hallmark config show|check        what the settings come to, and what is wrong with them
//	hallmark token                    get a token as a client would
//	hallmark verify TOKEN             verify one offline, check by check
//	hallmark conformance              examine any issuer; conformance list says by what
//	hallmark doctor                   examine this deployment; doctor verifier URL, an API
//	hallmark ready                    for health checks
//	hallmark completion SHELL
//	hallmark version
//
// The operator's commands work on the same store while the server runs. Tables
// are for people; with --json a command prints one JSON document, audit one for each line. Settings are
// flags, environment variables or lines of a file: --ops-listen is
// HALLMARK_OPS_LISTEN, and ops-listen in the file that --config names.
// Passwords and secrets come from a prompt, from standard input or from a
// file, never from an argument, which every process of the machine could read.
//
// The exit code says how it ended; an error is one line on standard error, a
// configuration with several errors one line for each:
//
//	0  done
//	1  failed otherwise: a port in use, a server that does not answer
//	2  wrong usage, or input that was refused
//	3  no such user, client or key
//	4  it exists already, or somebody else changed it
//	5  the store or the keys are not available or not usable
//	6  verification failed: of a token, of an issuer's conformance, or of an API that would not survive a rotation
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the process at once. A second SIGTERM does not: some
	// supervisors send it to the process and again to its group.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
