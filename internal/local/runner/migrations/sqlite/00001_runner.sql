-- +goose Up
-- Times are UTC microseconds. A run's place is where it stands in the queue; one that takes another's place has its number.
CREATE TABLE runs (
    seq            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    place          INTEGER NOT NULL,
    repository     TEXT    NOT NULL,
    clone_url      TEXT    NOT NULL,
    branch         TEXT    NOT NULL,
    default_branch TEXT    NOT NULL,
    sha            TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    author         TEXT    NOT NULL,
    cause          TEXT    NOT NULL,
    attempt        INTEGER NOT NULL,
    retry_of       TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    cancel_by      TEXT    NOT NULL DEFAULT '',
    queued_at      INTEGER NOT NULL,
    started_at     INTEGER,
    finished_at    INTEGER,
    detail         TEXT    NOT NULL
) STRICT;
CREATE INDEX runs_status ON runs (status, place, seq);
CREATE INDEX runs_branch ON runs (repository, branch, seq);

CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_age ON deliveries (received_at);

CREATE TABLE connections (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    text TEXT    NOT NULL
) STRICT;

-- Reports that are to be sent (internal/kit/webhook).
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
DROP TABLE connections;
DROP TABLE deliveries;
DROP TABLE runs;
