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

-- Reports that are to be sent (internal/kit/webhook).
CREATE TABLE outbox (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    target       TEXT NOT NULL,
    url          TEXT NOT NULL,
    header       TEXT NOT NULL,
    body         BYTEA NOT NULL,
    secret       TEXT NOT NULL,
    note         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     BIGINT NOT NULL,
    status       BIGINT,
    error        TEXT,
    created_at   BIGINT NOT NULL,
    queued_at    BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    delivered_at BIGINT
);
CREATE INDEX outbox_queue ON outbox (state, target, id);
CREATE INDEX outbox_page ON outbox (target, id);

-- +goose Down
DROP TABLE outbox;
DROP TABLE connections;
DROP TABLE deliveries;
DROP TABLE runs;
