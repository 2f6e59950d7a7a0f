-- +goose Up

-- The relay to a DevLake. One row: which process runs it (holder, until, and
-- fence, which grows whenever the holder changes), which DevLake it serves, and
-- what it last saw of it. reachable is 1 or 0, or -1 while nobody tried.
CREATE TABLE relay_state (
  name       TEXT PRIMARY KEY,
  holder     TEXT NOT NULL,
  fence      INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  target     TEXT NOT NULL,
  reachable  INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  sent_at    INTEGER NOT NULL,
  error      TEXT NOT NULL,
  error_at   INTEGER NOT NULL
) STRICT;

-- How far each project's history is in the outbox (a revision of its
-- projection), and how its set-up in DevLake stands. waiting counts what cannot
-- be sent yet, by reason, as JSON.
CREATE TABLE relay_project (
  project      TEXT PRIMARY KEY,
  began        INTEGER NOT NULL,
  rev          INTEGER NOT NULL,
  waiting      TEXT NOT NULL,
  recheck_at   INTEGER NOT NULL,
  set_up_at    INTEGER NOT NULL,
  error        TEXT NOT NULL
) STRICT;

-- DevLake's webhook connections: repo is '' for deployments and incidents, else
-- the repository whose pull requests it takes. connection is 0 until it is made.
CREATE TABLE relay_connection (
  project    TEXT NOT NULL,
  repo       TEXT NOT NULL,
  connection INTEGER NOT NULL,
  PRIMARY KEY (project, repo)
) STRICT;

-- The outbox: one row an entity, with what DevLake is to know of it now. hash is
-- of body; sent_hash of the last that DevLake accepted; doubt is the hash of a
-- body of which nobody knows whether it arrived, '*' for several. fence and
-- until are of whoever is sending it.
CREATE TABLE relay_item (
  id          INTEGER PRIMARY KEY,
  project     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  entity      TEXT NOT NULL,
  repo        TEXT NOT NULL,
  path        TEXT NOT NULL,
  body        TEXT NOT NULL,
  hash        TEXT NOT NULL,
  state       TEXT NOT NULL,
  since       INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  fence       INTEGER NOT NULL,
  until       INTEGER NOT NULL,
  doubt       TEXT NOT NULL,
  sent_hash   TEXT NOT NULL,
  sent_at     INTEGER NOT NULL,
  last_status INTEGER NOT NULL,
  last_error  TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX relay_item_entity ON relay_item (project, kind, entity);
CREATE INDEX relay_item_next ON relay_item (next_at) WHERE state = 'pending';
CREATE INDEX relay_item_state ON relay_item (state, project);

-- +goose Down
DROP TABLE relay_item;
DROP TABLE relay_connection;
DROP TABLE relay_project;
DROP TABLE relay_state;
