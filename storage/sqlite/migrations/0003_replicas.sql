-- The processes that serve, and the version of the key ring that each goes by.

CREATE TABLE replicas (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    adopted_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    seen       INTEGER NOT NULL -- service time
) STRICT;

CREATE INDEX replicas_by_seen ON replicas (seen, id);
