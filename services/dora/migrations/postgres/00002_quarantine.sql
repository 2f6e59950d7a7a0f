-- +goose Up

-- What reading a quarantined delivery again needs, and what became of it. room
-- is whose share of the space it takes, kept how many bytes. headers are those
-- that reading needs, as JSON; path and query are without secrets. status is
-- open, replayed or discarded; settled_at is 0 as long as it is open.
ALTER TABLE quarantine ADD COLUMN room TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN source_name TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN query TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
ALTER TABLE quarantine ADD COLUMN truncated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN status TEXT NOT NULL DEFAULT 'open';
ALTER TABLE quarantine ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN tried_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN settled_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;
UPDATE quarantine SET room = source, kept = length(body) + 1024, truncated = CASE WHEN size > length(body) THEN 1 ELSE 0 END;
UPDATE quarantine SET headers = json_build_object('X-Github-Event', json_build_array(kind), 'X-Github-Delivery', json_build_array(delivery))::text WHERE source = 'github';
CREATE INDEX quarantine_by_room ON quarantine (room, id);
CREATE INDEX quarantine_settled ON quarantine (settled_at) WHERE settled_at > 0;
CREATE INDEX quarantine_counts ON quarantine (status, project, source);

-- How much each sender's deliveries take.
CREATE TABLE quarantine_room (
  room  TEXT PRIMARY KEY,
  bytes BIGINT NOT NULL
);
INSERT INTO quarantine_room (room, bytes) SELECT room, sum(kept) FROM quarantine GROUP BY room;

-- +goose Down
DROP TABLE quarantine_room;
DROP INDEX quarantine_counts;
DROP INDEX quarantine_settled;
DROP INDEX quarantine_by_room;
ALTER TABLE quarantine DROP COLUMN kept;
ALTER TABLE quarantine DROP COLUMN settled_by;
ALTER TABLE quarantine DROP COLUMN settled_at;
ALTER TABLE quarantine DROP COLUMN tried_at;
ALTER TABLE quarantine DROP COLUMN last_error;
ALTER TABLE quarantine DROP COLUMN attempts;
ALTER TABLE quarantine DROP COLUMN status;
ALTER TABLE quarantine DROP COLUMN truncated;
ALTER TABLE quarantine DROP COLUMN headers;
ALTER TABLE quarantine DROP COLUMN query;
ALTER TABLE quarantine DROP COLUMN path;
ALTER TABLE quarantine DROP COLUMN source_name;
ALTER TABLE quarantine DROP COLUMN room;
