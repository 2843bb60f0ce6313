-- One row for each life of an agent's process.
CREATE TABLE lives (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    agent       TEXT    NOT NULL,
    -- The 64 bits of the epoch, as SQLite has no number without a sign.
    epoch       INTEGER NOT NULL,
    name        TEXT,
    -- An array of texts, as JSON.
    argv        TEXT    NOT NULL,
    argv_cut    INTEGER NOT NULL,
    shell       INTEGER NOT NULL,
    cwd         TEXT,
    env         TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    -- Who, as the JSON of the API.
    actor       TEXT,
    state       TEXT    NOT NULL,
    outcome     TEXT,
    exit_code   INTEGER,
    exit_signal INTEGER,
    reason      TEXT,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    last_lines  TEXT    NOT NULL DEFAULT '[]',
    -- How many changes there are of it.
    changes     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (agent, epoch)
) STRICT;

CREATE INDEX lives_of_agent ON lives (agent);
CREATE INDEX lives_open ON lives (id) WHERE ended_at IS NULL;
CREATE INDEX lives_ended ON lives (ended_at) WHERE ended_at IS NOT NULL;

-- What changed in a life.
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    life    INTEGER NOT NULL REFERENCES lives (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    -- state, edited or removed.
    kind    TEXT    NOT NULL,
    before  TEXT,
    after   TEXT,
    members TEXT,
    reason  TEXT,
    actor   TEXT
) STRICT;

CREATE INDEX changes_of_life ON changes (life);

-- Where notes were dropped.
CREATE TABLE gaps (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    from_at INTEGER NOT NULL,
    to_at   INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;

-- The words of the lives, by the same id. The texts themselves are in lives.
CREATE VIRTUAL TABLE words USING fts5 (
    agent, name, argv, reason, last_lines,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2', prefix = '3'
);
