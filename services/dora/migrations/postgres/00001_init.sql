-- +goose Up

-- One row a thing that exists once in this database.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value BYTEA NOT NULL
);

-- Where events come from. Thousands of events share an origin, so an event
-- refers to it by number. project is '' where the event named none.
CREATE TABLE origin (
  id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project TEXT NOT NULL,
  source  TEXT NOT NULL,
  type    TEXT NOT NULL,
  repo    TEXT NOT NULL,
  service TEXT NOT NULL,
  UNIQUE (project, source, type, repo, service)
);

-- The log: append only, in the order of storing. key is what makes a delivery
-- the same delivery; at and received_at are microseconds. entity tells apart
-- what the events of an origin are about; it is kept for deployments and
-- incidents, whose evidence lists them, and 0 for all others.
CREATE TABLE event (
  seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key         BYTEA NOT NULL,
  origin      BIGINT NOT NULL,
  at          BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  entity      BIGINT NOT NULL,
  body        BYTEA NOT NULL
);
CREATE UNIQUE INDEX event_key ON event (key);
CREATE INDEX event_origin ON event (origin, seq);
CREATE INDEX event_entity ON event (origin, entity) WHERE entity <> 0;

-- What people declared about projects, as JSON.
CREATE TABLE project (
  name       TEXT PRIMARY KEY,
  spec       TEXT NOT NULL,
  version    BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- The projection: blocks of derived history by project, key and revision. A
-- reader takes, of each key, the newest revision that is not beyond the head's.
-- A NULL body says that the key is gone.
CREATE TABLE block (
  project TEXT NOT NULL,
  key     TEXT NOT NULL,
  rev     BIGINT NOT NULL,
  body    BYTEA,
  PRIMARY KEY (project, key, rev)
);
CREATE INDEX block_rev ON block (project, rev);

-- Which revision of a project is current. began tells one projection of a
-- project from another that took its place; origins is a fingerprint of the
-- origins that it was derived from.
CREATE TABLE head (
  project      TEXT PRIMARY KEY,
  rev          BIGINT NOT NULL,
  began        BIGINT NOT NULL,
  spec_version BIGINT NOT NULL,
  origins      BIGINT NOT NULL,
  format       BIGINT NOT NULL,
  settled_at   BIGINT NOT NULL
);

-- How far the projection has followed the log, and how many declarations were
-- made: each has that number as its version.
CREATE TABLE checkpoint (
  name TEXT PRIMARY KEY,
  seq  BIGINT NOT NULL
);

-- Deliveries that could not be read, for people to look at.
CREATE TABLE quarantine (
  id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at BIGINT NOT NULL,
  source      TEXT NOT NULL,
  project     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  delivery    TEXT NOT NULL,
  field       TEXT NOT NULL,
  detail      TEXT NOT NULL,
  size        BIGINT NOT NULL,
  body        BYTEA NOT NULL
);

-- Webhook sources with the secret that their deliveries are checked against.
CREATE TABLE webhook_source (
  id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  project    TEXT NOT NULL,
  secret     TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  UNIQUE (kind, name)
);

-- How far an importer has read a repository.
CREATE TABLE import (
  project    TEXT NOT NULL,
  key        TEXT NOT NULL,
  repo       TEXT NOT NULL,
  state      TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (project, key)
);

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
