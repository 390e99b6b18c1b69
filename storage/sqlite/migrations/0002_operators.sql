-- The hash that a user was imported with, programs that act as operators, the
-- device of a session. A session no longer holds its client's row: a removed
-- client's sessions go with the walk that removes the expired ones.

ALTER TABLE users ADD COLUMN imported BLOB CHECK (length(imported) = 32);

CREATE TABLE operator_tokens (
    digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    name       TEXT    NOT NULL UNIQUE,
    scopes     TEXT    NOT NULL, -- joined by spaces
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE new_sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id       BLOB    NOT NULL REFERENCES users (id),
    client        INTEGER NOT NULL,
    scope         TEXT    NOT NULL, -- joined by spaces
    audience      TEXT    NOT NULL, -- joined by spaces
    auth_time     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    idle_lifetime INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    last_address  TEXT    NOT NULL,
    device        TEXT    NOT NULL DEFAULT '', -- for a program of version 1 that is still running
    ended_at      INTEGER NOT NULL,
    end_reason    TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    current       BLOB    NOT NULL CHECK (length(current) = 32),
    previous      BLOB    CHECK (length(previous) = 32),
    nonce         BLOB    CHECK (length(nonce) = 32),
    rotated_at    INTEGER NOT NULL -- service time
) STRICT, WITHOUT ROWID;

INSERT INTO new_sessions
    SELECT id, user_id, client, scope, audience, auth_time, expires_at, idle_lifetime, last_used_at, last_address, '',
        ended_at, end_reason, generation, current, previous, nonce, rotated_at FROM sessions;

DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE INDEX sessions_by_user ON sessions (user_id);
