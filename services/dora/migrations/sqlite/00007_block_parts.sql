-- +goose Up

-- A large block is stored in parts, so that no transaction has to write all of
-- it: the first stands in block, which says how many follow (parts), the others
-- stand here. They count only beside the row of block of the same revision.
ALTER TABLE block ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
CREATE TABLE block_part (
  project TEXT NOT NULL,
  key     TEXT NOT NULL,
  rev     INTEGER NOT NULL,
  part    INTEGER NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (project, key, rev, part)
) STRICT;

-- +goose Down
DROP TABLE block_part;
-- A block in parts cannot be read without them: let it be derived anew.
DELETE FROM head WHERE project IN (SELECT project FROM block WHERE parts > 0);
DELETE FROM block WHERE project NOT IN (SELECT project FROM head);
ALTER TABLE block DROP COLUMN parts;
