package main

import "time"

// Config is all that the server can be told, and the only list of it: flags,
// environment, configuration file, checks and docs/configuration.md come from
// its fields. The help texts are the manual. Tags beside kong's:
//
//	setting    it can be given in the environment and in a file as well. With
//	           the value "dsn" it may hold a password: HALLMARK_..._FILE names
//	           a file that has it, and it is never shown
//	otherwise  what is done without it, where that is no fixed default
type Config struct {
	File

	Issuer string `setting:"" placeholder:"URL" otherwise:"none; --demo takes the address it listens on" help:"Who issues the tokens: their \"iss\", byte for byte, and the URL under which clients reach the public listener. https, except on loopback; without query, fragment or final slash. Required, except with --demo."`
	Demo   bool   `setting:"" help:"Try it out: make a user, a public client and an API in the same process, and print lines to paste. Refused on a store with other users."`

	Listen       string `group:"Public listener" setting:"" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to serve the public. Without --tls-cert it speaks plain HTTP: for a proxy that ends TLS. Port 0 takes a free one."`
	PublicTLS    `group:"Public listener"`
	TrustedProxy []string `group:"Public listener" setting:"" placeholder:"CIDR" otherwise:"none; everybody behind a proxy is one network to the sign-in throttle, and the log shows the proxy's address" help:"Address or prefix of a proxy in front of the server that is believed what it says in X-Forwarded-For. Repeatable, or separated by commas or spaces."`

	OpsListener `group:"Operators' listener"`
	OpsInsecure bool `group:"Operators' listener" setting:"" help:"Let the operators' listener leave loopback without TLS, where something else protects it: a network of its own, or a container that publishes no port."`

	Place           `group:"Store and keys"`
	AnnounceCommand string `group:"Store and keys" setting:"" placeholder:"COMMAND" otherwise:"none" help:"Command that is run for every key that signs or will, once it is published and each time a server process starts: for gateways that hold a static key. The key is on its standard input, in PEM; HALLMARK_EVENT, HALLMARK_KID, HALLMARK_ALG and HALLMARK_SIGNS_FROM say which it is and when it signs. It has 60 seconds; where it fails it is tried again. Run by the shell."`
	Logging         `group:"Log"`

	Sessions `group:"Lifetimes"`
	Seed     `group:"Key schedule of a new store (kept in the store from then on)"`

	Keeping   `group:"Audit"`
	SimpleJWT `group:"Simple JWT's paths"`
	OldTokens `group:"Simple JWT's paths"`

	PasswordWorkers int `group:"Sign-in" setting:"" placeholder:"N" otherwise:"half the cores" help:"How many passwords may be hashed at once, 19 MiB each. A hash from another system may need up to 128 MiB until its user's first sign-in, and takes the place of several: in all there is never more than N × 19 MiB, or 128 MiB if that is more."`
}

// PublicTLS is what the public listener shows.
type PublicTLS struct {
	TLSCert string `name:"tls-cert" setting:"" placeholder:"FILE" otherwise:"plain HTTP" help:"Serve the public over TLS: PEM file with the certificate and those it was signed with. It is looked at every 2 seconds; a new pair is taken without a restart."`
	TLSKey  string `name:"tls-key" setting:"" placeholder:"FILE" otherwise:"none" help:"PEM file with the private key of --tls-cert."`
}

// OpsListener says where operators are served, and what the listener shows.
type OpsListener struct {
	OpsListen  string `setting:"" default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where to serve operators: /healthz, /readyz, /metrics and, with an operator token, the operators' API. Never let the public reach it. Off loopback only with --ops-tls-cert or --ops-insecure."`
	OpsTLSCert string `name:"ops-tls-cert" setting:"" placeholder:"FILE" otherwise:"plain HTTP" help:"Serve operators over TLS, as --tls-cert does the public."`
	OpsTLSKey  string `name:"ops-tls-key" setting:"" placeholder:"FILE" otherwise:"none" help:"PEM file with the private key of --ops-tls-cert."`
}

// File says where settings may be written down.
type File struct {
	ConfigFile string `name:"config" setting:"" placeholder:"FILE" otherwise:"none" help:"TOML file with settings: the keys are the flags' names without the hyphens in front. A flag wins over the environment, the environment over the file, the file over the default."`
}

// Place says where the data and the keys to it are. All operator's commands take it.
type Place struct {
	Data       string   `setting:"" default:"./hallmark-data" placeholder:"DIR" help:"Directory of everything kept on this machine; made with mode 0700."`
	Store      string   `setting:"dsn" placeholder:"FILE" otherwise:"hallmark.db in the data directory" help:"The SQLite database: a path or sqlite:PATH."`
	KEKFile    []string `name:"kek-file" setting:"" sep:"none" placeholder:"FILE" otherwise:"kek in the data directory, made on a first start" help:"File with a key-encryption key (32 bytes in base64), which seals the signing keys in the store. Repeatable: the first seals, any opens. Back it up apart from the store: without it the signing keys are lost. A key may also be given as text in HALLMARK_KEK."`
	KEKCommand string   `name:"kek-command" setting:"" placeholder:"COMMAND" otherwise:"none" help:"Command whose output is a key-encryption key in base64; run by the shell. It is not a place for secrets. Order of sources: HALLMARK_KEK, files, command."`
	SeenFile   string   `name:"seen-file" setting:"" placeholder:"FILE" otherwise:"kek.seen beside the first --kek-file, or else in the data directory" help:"File that remembers the newest key ring and the revoked keys, so that a store which was set back to an older state is refused. It must be writable, and must not be restored together with the database."`

	Device
}

// Device says where private halves are kept that are not to be in the store.
type Device struct {
	PKCS11Module  string `name:"pkcs11-module" setting:"" placeholder:"FILE" otherwise:"none; private halves are in the store, sealed" help:"Keep the private halves of new signing keys in a PKCS#11 token: the vendor's module (a shared library) to reach it. With --pkcs11-token and --pkcs11-pin-file, for every process on the store; in builds with -tags pkcs11. Keys that are there go on until they are turned over."`
	PKCS11Token   string `name:"pkcs11-token" setting:"" placeholder:"LABEL" otherwise:"none" help:"Label of the token."`
	PKCS11PinFile string `name:"pkcs11-pin-file" setting:"" placeholder:"FILE" otherwise:"none" help:"File with the PIN of the token's user, in one line, that only its owner can read (mode 0600). It is read at each connection."`
	PKCS11Retire  bool   `name:"pkcs11-retire" setting:"" help:"Make new keys in the store again. Those in the token sign until they are turned over, if it is given, and are removed from it then; without it, or when it is broken, they do not sign any more: hallmark keys recover --force makes new ones."`
}

// Operation is what all operator's commands take.
type Operation struct {
	File
	Place   `group:"Store and keys"`
	Logging `group:"Log"`
	Output
}

// Logging says what is logged, always to standard error.
type Logging struct {
	LogFormat string `setting:"" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Format of the log: text or json."`
	LogLevel  string `setting:"" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least level that is logged: debug, info, warn or error."`
}

// Sessions are the lifetimes for clients whose record does not set their own.
type Sessions struct {
	AccessLifetime   time.Duration `setting:"" default:"10m" placeholder:"TIME" help:"How long an access token is good. A client's record may say otherwise, here and below."`
	IdleLifetime     time.Duration `setting:"" default:"336h" placeholder:"TIME" help:"How long a session lives without a refresh."`
	AbsoluteLifetime time.Duration `setting:"" default:"2160h" placeholder:"TIME" help:"How long a session lives at most."`
}

// Keeping says how long the audit keeps its records.
type Keeping struct {
	AuditAge  time.Duration `setting:"" default:"2160h" placeholder:"TIME" help:"How long a record of the audit is kept; an hour at least."`
	AuditRows int           `setting:"" default:"1000000" placeholder:"N" help:"How many records are kept at most, 3000 at least: a third of them acts of operators, a third sessions, a third failures, so that none pushes another out. A record takes some 170 bytes."`
}

// SimpleJWT says whom the paths of djangorestframework-simplejwt act for.
type SimpleJWT struct {
	SimpleJWTClient      string `name:"simplejwt-client" setting:"" placeholder:"ID" otherwise:"none; the paths are not served" help:"Serve /api/token/, /api/token/refresh/, /api/token/verify/ and /api/token/blacklist/ as djangorestframework-simplejwt does, acting for this client: a public one with the grants password and refresh_token. Lifetimes and rotation are the client's: docs/simplejwt.md."`
	SimpleJWTUserIDClaim string `name:"simplejwt-user-id-claim" setting:"" default:"user_id" placeholder:"NAME" help:"Claim of that client's tokens with the user's id in Django: the user's free claim user_id, or else the id that the user was imported with, or else sub. With the value sub no claim is added."`
}

// OldTokens says which refresh tokens of the Django before are exchanged.
type OldTokens struct {
	SimpleJWTOldKeyFile   string `name:"simplejwt-old-key-file" setting:"" placeholder:"FILE" otherwise:"none; old tokens are refused" help:"Take refresh tokens that Django issued before, each once, in exchange for a session here: file with the key that they are signed with (SIMPLE_JWT's SIGNING_KEY, by default Django's SECRET_KEY), in one line, that only its owner can read (mode 0600). With --simplejwt-client and --simplejwt-old-until. Who has this key can sign in as anybody who was imported: remove it when the time is over."`
	SimpleJWTOldUntil     string `name:"simplejwt-old-until" setting:"" placeholder:"DATE" otherwise:"none; required with the key" help:"When old tokens are refused from: 2027-01-31, where that day begins in UTC, or 2027-01-31T12:00:00Z; a year ahead at most. When all of them have expired, at the latest."`
	SimpleJWTOldAlgorithm string `name:"simplejwt-old-algorithm" setting:"" default:"HS256" enum:"HS256,HS384,HS512" placeholder:"ALG" help:"SIMPLE_JWT's ALGORITHM: HS256, HS384 or HS512."`
	SimpleJWTOldIssuer    string `name:"simplejwt-old-issuer" setting:"" placeholder:"TEXT" otherwise:"none; tokens with iss are refused" help:"SIMPLE_JWT's ISSUER, if it is set there."`
	SimpleJWTOldAudience  string `name:"simplejwt-old-audience" setting:"" placeholder:"TEXT" otherwise:"none; tokens with aud are refused" help:"SIMPLE_JWT's AUDIENCE, if it is set there; of several, one."`
}

// Seed is the key schedule that a new store begins with.
type Seed struct {
	Algorithms   []string      `setting:"" sep:"," placeholder:"ALG" otherwise:"ES256,RS256" help:"Signature algorithms, each with its own line of keys; the first is the default. ES256, ES384, RS256, PS256, EdDSA, separated by commas. For a store that is there: hallmark keys policy set."`
	RotateEvery  time.Duration `setting:"" placeholder:"TIME" otherwise:"720h (30 days)" help:"How long a key signs."`
	PublishAhead time.Duration `setting:"" placeholder:"TIME" otherwise:"25h" help:"How long a key is in the key set before it signs."`
	KeepAfter    time.Duration `setting:"" placeholder:"TIME" otherwise:"25h" help:"How long a key stays in the key set after it stopped signing."`
	RSABits      int           `name:"rsa-bits" setting:"" placeholder:"N" otherwise:"2048" help:"The size of RSA keys, for RS256 and PS256: 2048, 3072 or 4096."`
}
