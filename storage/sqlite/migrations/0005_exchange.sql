-- Refresh tokens of another system that were exchanged for ours, or
-- blacklisted there: each is kept until its own end. When a user's first
-- session began, and when all were ended last.

ALTER TABLE users ADD COLUMN came_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;

UPDATE users SET came_at = ifnull((SELECT min(auth_time) FROM sessions WHERE user_id = users.id), 0);

CREATE TABLE spent_tokens (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    session_id BLOB    CHECK (length(session_id) = 16), -- that it began
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_tokens_by_end ON spent_tokens (expires_at);
