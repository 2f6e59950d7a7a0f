-- +goose Up

-- Profiles that people wrote, every version of each: a number that was shown
-- under an older one can still be explained. spec is the file as it was given,
-- '' where that version says that the profile was deleted.
CREATE TABLE profile (
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  spec       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (name, version)
) STRICT;

-- What people, and the service itself, wrote beside the trends of a project.
-- service is '' where it is about all of them.
CREATE TABLE annotation (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  project    TEXT NOT NULL,
  service    TEXT NOT NULL,
  kind       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  text       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;
CREATE INDEX annotation_project ON annotation (project, at);

-- +goose Down
DROP TABLE annotation;
DROP TABLE profile;
