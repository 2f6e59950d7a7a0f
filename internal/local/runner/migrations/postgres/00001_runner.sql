-- +goose Up
-- Times are UTC microseconds. A run's place is where it stands in the queue; one that takes another's place has its number.
CREATE TABLE runs (
    seq            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
    place          BIGINT  NOT NULL,
    repository     TEXT    NOT NULL,
    clone_url      TEXT    NOT NULL,
    branch         TEXT    NOT NULL,
    default_branch TEXT    NOT NULL,
    sha            TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    author         TEXT    NOT NULL,
    cause          TEXT    NOT NULL,
    attempt        BIGINT  NOT NULL,
    retry_of       TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    cancel_by      TEXT    NOT NULL DEFAULT '',
    queued_at      BIGINT  NOT NULL,
    started_at     BIGINT,
    finished_at    BIGINT,
    detail         TEXT    NOT NULL
);
CREATE INDEX runs_status ON runs (status, place, seq);
CREATE INDEX runs_branch ON runs (repository, branch, seq);

CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    received_at BIGINT  NOT NULL
);
CREATE INDEX deliveries_age ON deliveries (received_at);

CREATE TABLE connections (
    id   BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    text TEXT    NOT NULL
);

-- +goose Down
DROP TABLE connections;
DROP TABLE deliveries;
DROP TABLE runs;
