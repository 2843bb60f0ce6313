-- Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE accounts (
    id           TEXT PRIMARY KEY,
    max_machines BIGINT,
    created_at   BIGINT NOT NULL
);
INSERT INTO accounts (id, max_machines, created_at) VALUES ('default', NULL, 0);

-- Of a token only SHA-256 is kept.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    hash       BLOB NOT NULL UNIQUE,
    label      TEXT NOT NULL,
    uses       BIGINT NOT NULL,
    max_uses   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE machines (
    id           BLOB PRIMARY KEY,
    public_key   BLOB NOT NULL,
    alias        TEXT UNIQUE,
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    version      TEXT NOT NULL,
    enrolled_at  BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);
