-- +goose Up
-- Times are UTC microseconds. The refs of the repositories are the truth; announced_refs is what hooks were told of them.
CREATE TABLE repositories (
    name           TEXT NOT NULL PRIMARY KEY,
    description    TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    protected      TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    pushed_at      INTEGER
) STRICT;

CREATE TABLE announced_refs (
    repository TEXT NOT NULL REFERENCES repositories (name) ON DELETE CASCADE,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    PRIMARY KEY (repository, ref)
) STRICT;

CREATE TABLE announcements (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE hooks (
    name       TEXT NOT NULL PRIMARY KEY,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    events     TEXT NOT NULL,
    repository TEXT NOT NULL,
    active     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL UNIQUE,
    target       TEXT NOT NULL,
    url          TEXT NOT NULL,
    header       TEXT NOT NULL,
    body         BLOB NOT NULL,
    secret       TEXT NOT NULL,
    note         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     INTEGER NOT NULL,
    status       INTEGER,
    error        TEXT,
    created_at   INTEGER NOT NULL,
    queued_at    INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    delivered_at INTEGER
) STRICT;
CREATE INDEX outbox_queue ON outbox (state, target, id);
CREATE INDEX outbox_page ON outbox (target, id);

-- +goose Down
DROP TABLE outbox;
DROP TABLE hooks;
DROP TABLE announcements;
DROP TABLE announced_refs;
DROP TABLE repositories;
