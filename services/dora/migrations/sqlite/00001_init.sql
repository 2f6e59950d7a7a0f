-- +goose Up

-- One row a thing that exists once in this database.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

-- Where events come from. Thousands of events share an origin, so an event
-- refers to it by number. project is '' where the event named none.
CREATE TABLE origin (
  id      INTEGER PRIMARY KEY,
  project TEXT NOT NULL,
  source  TEXT NOT NULL,
  type    TEXT NOT NULL,
  repo    TEXT NOT NULL,
  service TEXT NOT NULL,
  UNIQUE (project, source, type, repo, service)
) STRICT;

-- The log: append only, in the order of storing. key is what makes a delivery
-- the same delivery; at and received_at are microseconds. entity tells apart
-- what the events of an origin are about; it is kept for deployments and
-- incidents, whose evidence lists them, and 0 for all others.
CREATE TABLE event (
  seq         INTEGER PRIMARY KEY,
  key         BLOB NOT NULL,
  origin      INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  entity      INTEGER NOT NULL,
  body        BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_key ON event (key);
CREATE INDEX event_origin ON event (origin, seq);
CREATE INDEX event_entity ON event (origin, entity) WHERE entity <> 0;

-- What people declared about projects, as JSON.
CREATE TABLE project (
  name       TEXT PRIMARY KEY,
  spec       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

-- The projection: blocks of derived history by project, key and revision. A
-- reader takes, of each key, the newest revision that is not beyond the head's.
-- A NULL body says that the key is gone.
CREATE TABLE block (
  project TEXT NOT NULL,
  key     TEXT NOT NULL,
  rev     INTEGER NOT NULL,
  body    BLOB,
  PRIMARY KEY (project, key, rev)
) STRICT;
CREATE INDEX block_rev ON block (project, rev);

-- Which revision of a project is current. began tells one projection of a
-- project from another that took its place; origins is a fingerprint of the
-- origins that it was derived from.
CREATE TABLE head (
  project      TEXT PRIMARY KEY,
  rev          INTEGER NOT NULL,
  began        INTEGER NOT NULL,
  spec_version INTEGER NOT NULL,
  origins      INTEGER NOT NULL,
  format       INTEGER NOT NULL,
  settled_at   INTEGER NOT NULL
) STRICT;

-- How far the projection has followed the log, and how many declarations were
-- made: each has that number as its version.
CREATE TABLE checkpoint (
  name TEXT PRIMARY KEY,
  seq  INTEGER NOT NULL
) STRICT;

-- Deliveries that could not be read, for people to look at.
CREATE TABLE quarantine (
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

-- Webhook sources with the secret that their deliveries are checked against.
CREATE TABLE webhook_source (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  project    TEXT NOT NULL,
  secret     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  UNIQUE (kind, name)
) STRICT;

-- How far an importer has read a repository.
CREATE TABLE import (
  project    TEXT NOT NULL,
  key        TEXT NOT NULL,
  repo       TEXT NOT NULL,
  state      TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (project, key)
) STRICT;

-- +goose Down
DROP TABLE import;
DROP TABLE webhook_source;
DROP TABLE quarantine;
DROP TABLE checkpoint;
DROP TABLE head;
DROP TABLE block;
DROP TABLE project;
DROP TABLE event;
DROP TABLE origin;
DROP TABLE setting;
