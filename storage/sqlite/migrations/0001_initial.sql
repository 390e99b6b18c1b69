-- What Hallmark keeps. Times are microseconds since 1970 UTC, 0 for "never";
-- durations are microseconds; ids are 16 bytes, digests and nonces 32.

CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name          TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    disabled      INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    claims        TEXT    NOT NULL, -- JSON
    foreign_id    TEXT,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX users_by_foreign_id ON users (foreign_id) WHERE foreign_id IS NOT NULL;

CREATE TABLE clients (
    number      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- never given twice
    client_id   TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    auth_method TEXT    NOT NULL,
    secrets     BLOB    NOT NULL CHECK (length(secrets) % 32 = 0), -- digests, one after the other
    policy      TEXT    NOT NULL, -- JSON
    created_at  INTEGER NOT NULL
) STRICT;

-- One row for the whole life of a session. The row of a session that ended or
-- expired is found by walking the primary key, so that no index holds a column
-- that a refresh changes.
CREATE TABLE sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id       BLOB    NOT NULL REFERENCES users (id),
    client        INTEGER NOT NULL REFERENCES clients (number),
    scope         TEXT    NOT NULL, -- joined by spaces
    audience      TEXT    NOT NULL, -- joined by spaces
    auth_time     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    idle_lifetime INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    last_address  TEXT    NOT NULL,
    ended_at      INTEGER NOT NULL,
    end_reason    TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    current       BLOB    NOT NULL CHECK (length(current) = 32),
    previous      BLOB    CHECK (length(previous) = 32),
    nonce         BLOB    CHECK (length(nonce) = 32),
    rotated_at    INTEGER NOT NULL -- service time
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- The sealed key ring, once there is one.
CREATE TABLE ring (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    sealed  BLOB    NOT NULL
) STRICT;

-- The counter of time in service, in microseconds.
CREATE TABLE service_time (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    reading INTEGER NOT NULL
) STRICT;

INSERT INTO service_time (one, reading) VALUES (1, 1);
