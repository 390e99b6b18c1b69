package main

// commands is the command line, parsed.
type commands struct {
	Help helpFlag `short:"h" help:"Show help, of a command if one is named."`

	Serve serveCmd `cmd:"" help:"Run the server."`
	User  struct {
		Add     userAddCmd     `cmd:"" help:"Add a user. The password comes from a prompt or the first line of standard input."`
		List    userListCmd    `cmd:"" help:"List the users."`
		Passwd  userPasswdCmd  `cmd:"" help:"Set a user's password and end all their sessions."`
		Disable userDisableCmd `cmd:"" help:"Keep a user from signing in and end all their sessions."`
		Enable  userEnableCmd  `cmd:"" help:"Let a disabled user sign in again."`
		Show    userShowCmd    `cmd:"" help:"Show a user."`
		Claims  userClaimsCmd  `cmd:"" help:"Show or change what is known about a user beside the name."`
		Rename  userRenameCmd  `cmd:"" help:"Give a user another name."`
		Remove  userRemoveCmd  `cmd:"" help:"Remove a user and end all their sessions."`
		Import  userImportCmd  `cmd:"" help:"Take users over from Django or another system, with the hashes of their passwords."`
		Export  userExportCmd  `cmd:"" help:"Write all users with the hashes of their passwords, for another system."`
	} `cmd:"" help:"Work on users."`
	Client struct {
		Add    clientAddCmd    `cmd:"" help:"Register a client. A secret is generated and shown once."`
		List   clientListCmd   `cmd:"" help:"List the clients."`
		Show   clientShowCmd   `cmd:"" help:"Show a client."`
		Change clientChangeCmd `cmd:"" help:"Change what a client may ask for."`
		Secret clientSecretCmd `cmd:"" help:"Give a client another secret, beside the one in use, or end the old one."`
		Remove clientRemoveCmd `cmd:"" help:"Remove a client; its sessions can be refreshed no more."`
	} `cmd:"" help:"Work on clients, the registered applications."`
	Session struct {
		List   sessionListCmd   `cmd:"" help:"List who is signed in."`
		Revoke sessionRevokeCmd `cmd:"" help:"End a session, or those of a user, a client, a device or an age."`
	} `cmd:"" help:"Work on sessions."`
	SimpleJWT struct {
		Blacklist simplejwtBlacklistCmd `cmd:"" help:"Take over which refresh tokens Simple JWT has blacklisted, so that none of them is exchanged, and end the sessions that some began already."`
		Report    simplejwtReportCmd    `cmd:"" help:"List the imported users who have not come over yet."`
	} `cmd:"" name:"simplejwt" help:"Work on the move from Simple JWT."`
	Keys struct {
		List     keysListCmd     `cmd:"" help:"Draw the timetable of the signing keys, and list who has loaded it."`
		Replicas keysReplicasCmd `cmd:"" help:"List which version of the keys each server process has loaded."`
		Rotate   keysRotateCmd   `cmd:"" help:"Let the waiting key sign as soon as every verifier can know it."`
		Revoke   keysRevokeCmd   `cmd:"" help:"Take a leaked key, or all of them, out of the key set at once; the waiting key signs, or a fresh one."`
		Reseal   keysResealCmd   `cmd:"" help:"Seal the signing keys with the first key-encryption key, so that an older one can be dropped."`
		Import   keysImportCmd   `cmd:"" help:"Publish another issuer's public keys for a while, or go on with its key pair."`
		Policy   struct {
			Show keysPolicyShowCmd `cmd:"" help:"Show the schedule that the keys follow, and what each interval must be at least."`
			Set  keysPolicySetCmd  `cmd:"" help:"Change the schedule, announced like any rotation."`
		} `cmd:"" help:"Work on the schedule that the keys follow."`
		Export  keysExportCmd  `cmd:"" help:"Write the public keys in a format for gateways and libraries, or a private key to a file."`
		Recover keysRecoverCmd `cmd:"" help:"Go on after the store was set back to an older state, with new keys."`
	} `cmd:"" help:"Work on the signing keys."`
	Operator struct {
		Token struct {
			Add    operatorTokenAddCmd    `cmd:"" help:"Make a token for a program. It is shown once."`
			List   operatorTokenListCmd   `cmd:"" help:"List the tokens, without them."`
			Remove operatorTokenRemoveCmd `cmd:"" help:"End a token at once."`
		} `cmd:"" help:"Work on the tokens with which programs act as operators, over HTTP."`
	} `cmd:"" help:"Work on who may act as an operator."`
	Audit   auditCmd   `cmd:"" help:"Show what was done, by whom, when and from where."`
	Backup  backupCmd  `cmd:"" help:"Copy the store to a file while the server runs."`
	Restore restoreCmd `cmd:"" help:"Put a backup in the place of the store, with new signing keys, and end all sessions."`
	Migrate migrateCmd `cmd:"" help:"Take the store to the schema of this program."`
	Config  struct {
		Show  configShowCmd  `cmd:"" help:"Show the settings as serve would take them, and where each comes from. Secrets are left out."`
		Check configCheckCmd `cmd:"" help:"Refuse all at once what serve would refuse, without starting it."`
	} `cmd:"" help:"Look at the configuration."`
	Token       tokenCmd  `cmd:"" help:"Get a token with a user's password, as a client would."`
	Verify      verifyCmd `cmd:"" help:"Verify an access token offline and explain each check."`
	Conformance struct {
		Run  conformanceCmd     `cmd:"" default:"withargs" help:"Examine an issuer, which conformance does if nothing else is said. For the list of checks see: hallmark conformance list."`
		List conformanceListCmd `cmd:"" help:"List all checks: their level, section and expectation, and whether there is a case."`
	} `cmd:"" help:"Examine an issuer from outside against the specifications."`
	Completion completionCmd `cmd:"" help:"Print a script that completes command lines of hallmark, for bash, zsh or fish."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"What the completion scripts ask."`
	Doctor     struct {
		Check    doctorCmd   `cmd:"" default:"withargs" help:"Examine this deployment, which doctor does if nothing else is said. For an API see: hallmark doctor verifier --help."`
		Verifier verifierCmd `cmd:"" help:"Find out whether an API would survive a rotation of keys, with a scratch issuer that rotates."`
	} `cmd:"" help:"Examine this deployment, or somebody's API, and say what to do."`
	Ready   readyCmd   `cmd:"" help:"Say whether the server should get requests, for health checks of containers."`
	Version versionCmd `cmd:"" help:"Show the version."`
}
