-- +goose Up

-- What reading a quarantined delivery again needs, and what became of it. room
-- is whose share of the space it takes, kept how many bytes. headers are those
-- that reading needs, as JSON; path and query are without secrets. status is
-- open, replayed or discarded; settled_at is 0 as long as it is open. The body
-- stands last, so that a list does not read past it.
CREATE TABLE quarantine_whole (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  source      TEXT NOT NULL,
  source_name TEXT NOT NULL DEFAULT '',
  room        TEXT NOT NULL DEFAULT '',
  project     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  delivery    TEXT NOT NULL,
  field       TEXT NOT NULL,
  detail      TEXT NOT NULL,
  size        INTEGER NOT NULL,
  truncated   INTEGER NOT NULL DEFAULT 0,
  status      TEXT NOT NULL DEFAULT 'open',
  attempts    INTEGER NOT NULL DEFAULT 0,
  last_error  TEXT NOT NULL DEFAULT '',
  tried_at    INTEGER NOT NULL DEFAULT 0,
  settled_at  INTEGER NOT NULL DEFAULT 0,
  settled_by  TEXT NOT NULL DEFAULT '',
  kept        INTEGER NOT NULL DEFAULT 0,
  path        TEXT NOT NULL DEFAULT '',
  query       TEXT NOT NULL DEFAULT '',
  headers     TEXT NOT NULL DEFAULT '{}',
  body        BLOB NOT NULL
) STRICT;
INSERT INTO quarantine_whole (id, received_at, source, room, project, kind, delivery, field, detail, size, truncated, kept, headers, body)
SELECT id, received_at, source, source, project, kind, delivery, field, detail, size, size > length(body), length(body) + 1024,
  CASE WHEN source = 'github' THEN json_object('X-Github-Event', json_array(kind), 'X-Github-Delivery', json_array(delivery)) ELSE '{}' END, body
FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE quarantine_whole RENAME TO quarantine;
CREATE INDEX quarantine_by_room ON quarantine (room, id);
CREATE INDEX quarantine_settled ON quarantine (settled_at) WHERE settled_at > 0;
CREATE INDEX quarantine_counts ON quarantine (status, project, source);

-- How much each sender's deliveries take.
CREATE TABLE quarantine_room (
  room  TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_room (room, bytes) SELECT room, sum(kept) FROM quarantine GROUP BY room;

-- +goose Down
DROP TABLE quarantine_room;
CREATE TABLE quarantine_before (
  id          INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  source      TEXT NOT NULL,
  project     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  delivery    TEXT NOT NULL,
  field       TEXT NOT NULL,
  detail      TEXT NOT NULL,
  size        INTEGER NOT NULL,
  body        BLOB NOT NULL
) STRICT;
INSERT INTO quarantine_before SELECT id, received_at, source, project, kind, delivery, field, detail, size, body FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE quarantine_before RENAME TO quarantine;
