// Package migrations holds the git server's schema, one folder per engine.
package migrations

import "embed"

// FS has the folders sqlite and postgres.
//
//go:embed sqlite postgres
var FS embed.FS
