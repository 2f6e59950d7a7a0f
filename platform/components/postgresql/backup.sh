#!/bin/sh
# Writes each database into a file of its own, sees that it can be read, and keeps the newest KEEP of each. A file has its name only when
# it is whole.
set -eu
for dir in /usr/lib/postgresql/*/bin; do
  if [ -d "$dir" ]; then PATH=$PATH:$dir; fi
done
PGUSER=$(cat /secrets/superuser/username)
PGPASSWORD=$(cat /secrets/superuser/password)
export PGUSER PGPASSWORD
at=$(date -u +%Y%m%dT%H%M%SZ)
rm -f /backups/.partial.*

# backup writes one database; each step only when the one before was well.
backup() {
  database=$1
  partial=/backups/.partial.$database
  pg_dump --format=custom --no-password --dbname="$database" --file="$partial" &&
    pg_restore --list "$partial" >/dev/null &&
    pg_restore --file=/dev/null "$partial" && # reads all of it, and not only what is in it
    sync "$partial" &&
    mv "$partial" "/backups/$database-$at.dump" &&
    echo "$database-$at.dump $(wc -c <"/backups/$database-$at.dump") bytes"
}

# One that fails does not keep the others from theirs, and fails the job at the end.
failed=
for secret in /secrets/databases/*; do
  database=$(cat "$secret/database")
  if ! backup "$database"; then
    failed="$failed $database"
    continue
  fi
  kept=0
  for old in $(printf '%s\n' "/backups/$database"-[0-9]*Z.dump | sort -r); do
    kept=$((kept + 1))
    if [ "$kept" -gt "$KEEP" ]; then rm "$old" && echo "$old removed"; fi
  done
done
if [ -n "$failed" ]; then echo "no backup of$failed" >&2; exit 1; fi
