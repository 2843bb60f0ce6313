-- What is measured: an agent, or with an empty name the machine.
CREATE TABLE series (
    id    INTEGER PRIMARY KEY,
    agent TEXT NOT NULL UNIQUE
) STRICT;

-- Points of one series and one resolution, packed as history/series/block.rs says.
CREATE TABLE blocks (
    id     INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    -- 0 as measured, 1 a minute, 2 a quarter of an hour.
    tier   INTEGER NOT NULL,
    -- The time at which the block begins.
    start  INTEGER NOT NULL,
    points BLOB    NOT NULL,
    UNIQUE (series, tier, start)
) STRICT;
