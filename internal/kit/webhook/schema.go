package webhook

import "github.com/fawkes-idp/fawkes/internal/kit/sqlstore"

// Schema is the SQL of the table that an outbox needs, for a migration of the module that owns the database. Copy it
// there: a migration must not change with the code.
func Schema(engine sqlstore.Engine) string {
	id, integer, blob, strict := "INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER", "BLOB", " STRICT"
	if engine == sqlstore.Postgres {
		id, integer, blob, strict = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT", "BYTEA", ""
	}
	return `CREATE TABLE outbox (
    id           ` + id + `,
    key          TEXT NOT NULL UNIQUE,
    target       TEXT NOT NULL,
    url          TEXT NOT NULL,
    header       TEXT NOT NULL,
    body         ` + blob + ` NOT NULL,
    secret       TEXT NOT NULL,
    note         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     ` + integer + ` NOT NULL,
    status       ` + integer + `,
    error        TEXT,
    created_at   ` + integer + ` NOT NULL,
    queued_at    ` + integer + ` NOT NULL,
    next_at      ` + integer + ` NOT NULL,
    delivered_at ` + integer + `
)` + strict + `;
CREATE INDEX outbox_queue ON outbox (state, target, id);
CREATE INDEX outbox_page ON outbox (target, id);
`
}
