-- +goose Up

-- The relay to a DevLake. One row: which process runs it (holder, until, and
-- fence, which grows whenever the holder changes), which DevLake it serves, and
-- what it last saw of it. reachable is 1 or 0, or -1 while nobody tried.
CREATE TABLE relay_state (
  name       TEXT PRIMARY KEY,
  holder     TEXT NOT NULL,
  fence      BIGINT NOT NULL,
  until      BIGINT NOT NULL,
  target     TEXT NOT NULL,
  reachable  BIGINT NOT NULL,
  checked_at BIGINT NOT NULL,
  sent_at    BIGINT NOT NULL,
  error      TEXT NOT NULL,
  error_at   BIGINT NOT NULL
);

-- How far each project's history is in the outbox (a revision of its
-- projection), and how its set-up in DevLake stands. waiting counts what cannot
-- be sent yet, by reason, as JSON.
CREATE TABLE relay_project (
  project      TEXT PRIMARY KEY,
  began        BIGINT NOT NULL,
  rev          BIGINT NOT NULL,
  waiting      TEXT NOT NULL,
  recheck_at   BIGINT NOT NULL,
  set_up_at    BIGINT NOT NULL,
  error        TEXT NOT NULL
);

-- DevLake's webhook connections: repo is '' for deployments and incidents, else
-- the repository whose pull requests it takes. connection is 0 until it is made.
CREATE TABLE relay_connection (
  project    TEXT NOT NULL,
  repo       TEXT NOT NULL,
  connection BIGINT NOT NULL,
  PRIMARY KEY (project, repo)
);

-- The outbox: one row an entity, with what DevLake is to know of it now. hash is
-- of body; sent_hash of the last that DevLake accepted; doubt is the hash of a
-- body of which nobody knows whether it arrived, '*' for several. fence and
-- until are of whoever is sending it.
CREATE TABLE relay_item (
  id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  entity      TEXT NOT NULL,
  repo        TEXT NOT NULL,
  path        TEXT NOT NULL,
  body        TEXT NOT NULL,
  hash        TEXT NOT NULL,
  state       TEXT NOT NULL,
  since       BIGINT NOT NULL,
  changed_at  BIGINT NOT NULL,
  attempts    BIGINT NOT NULL,
  next_at     BIGINT NOT NULL,
  fence       BIGINT NOT NULL,
  until       BIGINT NOT NULL,
  doubt       TEXT NOT NULL,
  sent_hash   TEXT NOT NULL,
  sent_at     BIGINT NOT NULL,
  last_status BIGINT NOT NULL,
  last_error  TEXT NOT NULL
);
CREATE UNIQUE INDEX relay_item_entity ON relay_item (project, kind, entity);
CREATE INDEX relay_item_next ON relay_item (next_at) WHERE state = 'pending';
CREATE INDEX relay_item_state ON relay_item (state, project);

-- +goose Down
DROP TABLE relay_item;
DROP TABLE relay_connection;
DROP TABLE relay_project;
DROP TABLE relay_state;
