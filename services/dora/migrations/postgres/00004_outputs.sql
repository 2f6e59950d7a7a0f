-- +goose Up

-- Who changed what (internal/kit/audit). Entries are added, and neither changed
-- nor removed: the database itself refuses.
CREATE TABLE audit_log (
  seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      BIGINT NOT NULL,
  actor   TEXT NOT NULL,
  via     TEXT NOT NULL,
  action  TEXT NOT NULL,
  project TEXT NOT NULL,
  target  TEXT NOT NULL,
  detail  TEXT NOT NULL
);
CREATE INDEX audit_project ON audit_log (project, seq);

-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append only';
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- What signs the addresses of a project's badges. Another key ends them all.
CREATE TABLE badge_key (
  project    TEXT PRIMARY KEY,
  key        BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL
);

-- +goose Down
DROP TABLE badge_key;
DROP TABLE audit_log;
DROP FUNCTION audit_is_append_only();
