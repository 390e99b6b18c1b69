-- Who did what, when, from where. Records are added at the end, never changed,
-- and go from the beginning, kind by kind, when they are old or too many.

CREATE TABLE audit (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- never given twice
    at         INTEGER NOT NULL,
    kind       INTEGER NOT NULL, -- which record makes room for which
    event      TEXT    NOT NULL,
    actor_kind TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    user_id    BLOB    CHECK (length(user_id) = 16),
    client_id  TEXT    NOT NULL,
    session_id BLOB    CHECK (length(session_id) = 16),
    address    TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    detail     TEXT    NOT NULL -- JSON, or empty
) STRICT;

CREATE INDEX audit_by_kind ON audit (kind);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

CREATE TRIGGER audit_goes_from_its_beginning BEFORE DELETE ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE kind = OLD.kind AND number < OLD.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only: the oldest records go first');
END;
