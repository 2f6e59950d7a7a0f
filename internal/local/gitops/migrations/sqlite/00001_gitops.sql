-- +goose Up
-- Times are UTC microseconds. Lists and objects are JSON.
CREATE TABLE connections (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    body TEXT    NOT NULL
) STRICT;

CREATE TABLE applications (
    name           TEXT    NOT NULL PRIMARY KEY,
    uid            TEXT    NOT NULL,
    service        TEXT    NOT NULL,
    environment    TEXT    NOT NULL,
    present        INTEGER NOT NULL,
    tree           TEXT    NOT NULL,
    revision       TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    change         TEXT    NOT NULL,
    sync           TEXT    NOT NULL,
    sync_message   TEXT    NOT NULL,
    conditions     TEXT    NOT NULL,
    health         TEXT    NOT NULL,
    health_message TEXT    NOT NULL,
    health_since   INTEGER NOT NULL,
    last_started   INTEGER NOT NULL,
    applied        INTEGER NOT NULL,
    paused         TEXT    NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

-- An operation is here before anything of it is done. One runs of each application; of a commit
-- there is one that began by itself.
CREATE TABLE operations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    app          TEXT    NOT NULL REFERENCES applications (name),
    kind         TEXT    NOT NULL CHECK (kind IN ('sync', 'rollback', 'heal')),
    revision     TEXT    NOT NULL,
    tree         TEXT    NOT NULL,
    automated    INTEGER NOT NULL,
    initiated_by TEXT    NOT NULL,
    prune        INTEGER NOT NULL,
    rollback_of  INTEGER,
    detail       TEXT    NOT NULL,
    phase        TEXT    NOT NULL CHECK (phase IN ('Running', 'Succeeded', 'Failed', 'Error')),
    message      TEXT    NOT NULL,
    terminate    INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    applied_at   INTEGER,
    finished_at  INTEGER
) STRICT;
CREATE INDEX operations_app ON operations (app, id);
CREATE UNIQUE INDEX operations_running ON operations (app) WHERE phase = 'Running';
CREATE UNIQUE INDEX operations_once ON operations (app, revision) WHERE automated = 1 AND kind <> 'heal';

CREATE TABLE promotions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    key             TEXT    NOT NULL UNIQUE,
    service         TEXT    NOT NULL,
    from_env        TEXT    NOT NULL,
    to_env          TEXT    NOT NULL,
    revision        TEXT    NOT NULL,
    tree            TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    source_revision TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('waiting_health', 'waiting_approval', 'promoting', 'done', 'rejected', 'superseded')),
    reason          TEXT    NOT NULL,
    commit_sha      TEXT    NOT NULL,
    requested_at    INTEGER NOT NULL,
    requested_by    TEXT    NOT NULL,
    decided_at      INTEGER,
    decided_by      TEXT    NOT NULL
) STRICT;
CREATE INDEX promotions_waiting ON promotions (service, to_env, state);

-- What is to be written into the environment repository.
CREATE TABLE changes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL UNIQUE,
    app        TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    commit_sha TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    done_at    INTEGER
) STRICT;
CREATE INDEX changes_pending ON changes (state, id);

CREATE TABLE audit_log (
    seq     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    via     TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    project TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    detail  TEXT    NOT NULL
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
DROP TABLE audit_log;
DROP TABLE changes;
DROP TABLE promotions;
DROP TABLE operations;
DROP TABLE applications;
DROP TABLE connections;
