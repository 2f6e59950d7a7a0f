// Package migrations holds the schema of the delivery metrics, one folder per
// engine.
package migrations

import "embed"

// FS has the folders sqlite and postgres.
//
//go:embed sqlite postgres
var FS embed.FS
