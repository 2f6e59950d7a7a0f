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
for secret in /secrets/databases/*; do
  database=$(cat "$secret/database")
  partial=/backups/.partial.$database
  pg_dump --format=custom --no-password --dbname="$database" --file="$partial"
  pg_restore --list "$partial" >/dev/null
  pg_restore --file=/dev/null "$partial" # reads all of it, and not only what is in it
  sync "$partial"
  mv "$partial" "/backups/$database-$at.dump"
  echo "$database-$at.dump $(wc -c <"/backups/$database-$at.dump") bytes"
  kept=0
  for old in $(printf '%s\n' "/backups/$database"-[0-9]*Z.dump | sort -r); do
    kept=$((kept + 1))
    if [ "$kept" -gt "$KEEP" ]; then rm "$old" && echo "$old removed"; fi
  done
done
