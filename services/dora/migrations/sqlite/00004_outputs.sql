-- +goose Up

-- Who changed what (internal/kit/audit). Entries are added, and neither changed
-- nor removed: the database itself refuses.
CREATE TABLE audit_log (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  via     TEXT NOT NULL,
  action  TEXT NOT NULL,
  project TEXT NOT NULL,
  target  TEXT NOT NULL,
  detail  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_project ON audit_log (project, seq);

-- +goose StatementBegin
CREATE TRIGGER audit_kept_as_written BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_kept BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END;
-- +goose StatementEnd

-- What signs the addresses of a project's badges. Another key ends them all.
CREATE TABLE badge_key (
  project    TEXT PRIMARY KEY,
  key        BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;

-- +goose Down
DROP TABLE badge_key;
DROP TABLE audit_log;
