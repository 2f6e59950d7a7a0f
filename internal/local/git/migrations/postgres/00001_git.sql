-- +goose Up
-- Times are UTC microseconds. The refs of the repositories are the truth; announced_refs is what hooks were told of them.
CREATE TABLE repositories (
    name           TEXT NOT NULL PRIMARY KEY,
    description    TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    protected      TEXT NOT NULL,
    size_bytes     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    pushed_at      BIGINT
);

CREATE TABLE announced_refs (
    repository TEXT NOT NULL REFERENCES repositories (name) ON DELETE CASCADE,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    PRIMARY KEY (repository, ref)
);

CREATE TABLE announcements (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL
);

CREATE TABLE hooks (
    name       TEXT NOT NULL PRIMARY KEY,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    events     TEXT NOT NULL,
    repository TEXT NOT NULL,
    active     BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

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
DROP TABLE hooks;
DROP TABLE announcements;
DROP TABLE announced_refs;
DROP TABLE repositories;
