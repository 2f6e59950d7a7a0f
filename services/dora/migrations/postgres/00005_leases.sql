-- +goose Up

-- Processes that run on this database, and until when each counts as alive, in
-- microseconds of the database's clock.
CREATE TABLE replica (
  id         TEXT PRIMARY KEY,
  good_until BIGINT NOT NULL
);

-- Which of them projects a project; holder is '' when none does. epoch counts the
-- holders: a write names the one it was begun under, and is refused under another.
CREATE TABLE lease (
  project TEXT PRIMARY KEY,
  holder  TEXT NOT NULL,
  epoch   BIGINT NOT NULL
);

-- Up to which event a project's projection holds the project's events.
ALTER TABLE head ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
UPDATE head SET seq = coalesce((SELECT c.seq FROM checkpoint AS c WHERE c.name = 'projection'), 0);
DELETE FROM checkpoint WHERE name = 'projection';

-- +goose Down
INSERT INTO checkpoint (name, seq) SELECT 'projection', min(seq) FROM head HAVING count(*) > 0;
ALTER TABLE head DROP COLUMN seq;
DROP TABLE lease;
DROP TABLE replica;
