// Package migrations holds the schema of the stand-in for Argo CD, one folder per engine.
package migrations

import "embed"

// FS has the folders sqlite and postgres.
//
//go:embed sqlite postgres
var FS embed.FS
