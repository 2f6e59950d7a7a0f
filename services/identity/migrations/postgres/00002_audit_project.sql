-- +goose Up
-- The audit logs of all services have one form (internal/kit/audit). What identity keeps belongs to no project.
ALTER TABLE audit_log ADD COLUMN project TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE audit_log DROP COLUMN project;
