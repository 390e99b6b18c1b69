package storage

// Event names what happened.
type Event string

// What is recorded. Acts of operators have the names that the log gives them.
const (
	EventSignIn          Event = "sign_in"
	EventSignInFailed    Event = "sign_in.failed"
	EventSignInThrottled Event = "sign_in.throttled"
	EventClientFailed    Event = "client.failed"
	EventOperatorFailed  Event = "operator.failed"

	EventRefreshReused  Event = "refresh.reused"
	EventRefreshBehind  Event = "refresh.store_behind"
	EventRefreshRetried Event = "refresh.retried"
	EventRefreshFailed  Event = "refresh.failed"

	EventExchange          Event = "sign_in.exchange"
	EventExchangeBlacklist Event = "exchange.blacklist"

	EventRevokeForeign Event = "revoke.foreign"

	EventSessionEnd    Event = "session.end"
	EventSessionEndAll Event = "session.end_all"
	EventSessionsEnd   Event = "session.end_matching"

	EventUserAdd     Event = "user.add"
	EventUserEdit    Event = "user.edit"
	EventUserPasswd  Event = "user.passwd"
	EventUserDisable Event = "user.disable"
	EventUserEnable  Event = "user.enable"
	EventUserRemove  Event = "user.remove"
	EventUserImport  Event = "user.import"
	EventUserExport  Event = "user.export"

	EventClientAdd         Event = "client.add"
	EventClientEdit        Event = "client.edit"
	EventClientAddSecret   Event = "client.add_secret"
	EventClientDropSecrets Event = "client.drop_secrets"
	EventClientRemove      Event = "client.remove"

	EventTokenAdd    Event = "token.add"
	EventTokenRemove Event = "token.remove"

	EventKeysAdvance   Event = "keys.advance"
	EventKeysRotate    Event = "keys.rotate"
	EventKeysRevoke    Event = "keys.revoke"
	EventKeysRevokeAll Event = "keys.revoke_all"
	EventKeysImport    Event = "keys.import"
	EventKeysExport    Event = "keys.export"
	EventKeysPolicy    Event = "keys.policy"
	EventKeysReseal    Event = "keys.reseal"
	EventKeysRecover   Event = "keys.recover"

	EventStoreBackup  Event = "store.backup"
	EventStoreRestore Event = "store.restore"

	EventUnrecorded Event = "audit.unrecorded"
)

// AuditKind sorts events by who can cause them, so that each kind has room of
// its own.
type AuditKind int

// The kinds of events.
const (
	Acts     AuditKind = iota // of operators, and of the server by itself
	Sessions                  // what becomes of them, and what takes the password or a genuine token
	Failures                  // which anybody can cause
)

// AuditKinds returns all.
func AuditKinds() []AuditKind { return []AuditKind{Acts, Sessions, Failures} }

// String is the kind's name in docs.
func (k AuditKind) String() string { return [...]string{"acts", "sessions", "failures"}[k] }

// An EventInfo explains an event.
type EventInfo struct {
	Event Event
	Kind  AuditKind
	Means string
}

// Events returns all that is recorded, as docs/audit.md lists it.
func Events() []EventInfo {
	return []EventInfo{
		{EventSignIn, Sessions, "a user signed in"},
		{EventExchange, Sessions, "a session began with an old refresh token of Simple JWT"},
		{EventExchangeBlacklist, Sessions, "old refresh tokens of Simple JWT were blacklisted that had begun no session; `count` says how many"},
		{EventSessionEnd, Sessions, "a session ended; `reason` says why"},
		{EventSessionEndAll, Sessions, "all sessions of a user ended"},
		{EventSessionsEnd, Sessions, "sessions that matched ended: a part of them, a record for each part"},
		{EventUserPasswd, Sessions, "a user has a new password, by themselves or by an operator; `changed` says what else is new"},
		{EventRefreshReused, Sessions, "a superseded refresh token was presented: the session ended"},
		{EventRefreshBehind, Sessions, "a refresh token newer than the store was presented: the session ended"},
		{EventRefreshRetried, Sessions, "the token before the current one was presented again, in time, from another address"},
		{EventRevokeForeign, Sessions, "a client wanted to end a session of another client"},

		{EventSignInFailed, Failures, "a sign-in failed; the user is there only if there is one of that name"},
		{EventSignInThrottled, Failures, "a sign-in was refused without a look at the password"},
		{EventClientFailed, Failures, "a client could not prove to be who it said"},
		{EventOperatorFailed, Failures, "an operator token did not hold, or not for that"},
		{EventRefreshFailed, Failures, "a refresh token did not hold"},
		{EventUnrecorded, Failures, "there were more failures than are recorded; `count` says how many more"},

		{EventUserAdd, Acts, "a user was added"},
		{EventUserEdit, Acts, "a user was changed; `changed` says what"},
		{EventUserDisable, Acts, "a user was disabled, whatever else was `changed`"},
		{EventUserEnable, Acts, "a user was enabled again, whatever else was `changed`"},
		{EventUserRemove, Acts, "a user was removed"},
		{EventUserImport, Acts, "up to 1024 users were taken over from another system; those who were changed have records of their own"},
		{EventUserExport, Acts, "all users were handed out, with the hashes of their passwords"},
		{EventClientAdd, Acts, "a client was registered"},
		{EventClientEdit, Acts, "a client was changed; `changed` says what"},
		{EventClientAddSecret, Acts, "a client got another secret"},
		{EventClientDropSecrets, Acts, "a client's older secrets ended"},
		{EventClientRemove, Acts, "a client was removed"},
		{EventTokenAdd, Acts, "an operator token was made"},
		{EventTokenRemove, Acts, "an operator token was removed"},
		{EventKeysAdvance, Acts, "the key ring went on by its timetable"},
		{EventKeysRotate, Acts, "a rotation was brought forward"},
		{EventKeysRevoke, Acts, "a key was revoked"},
		{EventKeysRevokeAll, Acts, "all keys were revoked"},
		{EventKeysImport, Acts, "a key was imported"},
		{EventKeysExport, Acts, "a private key was asked for, to be taken elsewhere"},
		{EventKeysPolicy, Acts, "the keys got another schedule"},
		{EventKeysReseal, Acts, "the key ring was sealed anew"},
		{EventKeysRecover, Acts, "the key ring was recovered after the store was set back"},
		{EventStoreBackup, Acts, "the store was copied"},
		{EventStoreRestore, Acts, "a backup was put in the store's place; what is before it is of the backup"},
	}
}

// Kind is the event's; of one that is not known, Failures.
func (e Event) Kind() AuditKind {
	for _, i := range Events() {
		if i.Event == e {
			return i.Kind
		}
	}
	return Failures
}
