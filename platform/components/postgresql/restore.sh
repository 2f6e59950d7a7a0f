#!/bin/sh
# Brings one database back from a file: into a new one beside it, which takes its place when it is whole. What was there stays, under
# another name, until somebody drops it.
#
# DATABASE names it; BACKUP is the file, or "latest".
set -eu
for dir in /usr/lib/postgresql/*/bin; do
  if [ -d "$dir" ]; then PATH=$PATH:$dir; fi
done
PGUSER=$(cat /secrets/superuser/username)
PGPASSWORD=$(cat /secrets/superuser/password)
export PGUSER PGPASSWORD DATABASE
if [ "$BACKUP" = latest ]; then
  newest=$(printf '%s\n' "/backups/$DATABASE"-[0-9]*Z.dump | sort -r | head -n 1)
  BACKUP=${newest##*/}
fi
if [ ! -f "/backups/$BACKUP" ]; then echo "there is no backup $BACKUP in /backups" >&2; exit 1; fi
pg_restore --list "/backups/$BACKUP" >/dev/null || { echo "the backup $BACKUP cannot be read: it is not whole, or no backup" >&2; exit 1; }
owner=
for secret in /secrets/databases/*; do
  if [ "$(cat "$secret/database")" = "$DATABASE" ]; then owner=$(cat "$secret/username"); fi
done
[ -n "$owner" ] || { echo "no Secret says who owns $DATABASE" >&2; exit 1; }
at=$(date -u +%Y%m%d%H%M%S)
new=${DATABASE}_new_$at

sql() { psql --quiet --no-psqlrc --no-password --dbname=postgres --set=ON_ERROR_STOP=1 --set=name="$DATABASE" --set=new="$new" --set=old="${DATABASE}_before_$at" --set=owner="$owner"; }
echo 'CREATE DATABASE :"new" OWNER :"owner" TEMPLATE template0' | sql
pg_restore --no-password --exit-on-error --single-transaction --dbname="$new" "/backups/$BACKUP" ||
  { echo 'DROP DATABASE :"new"' | sql; echo "the backup $BACKUP could not be restored; $DATABASE is as it was" >&2; exit 1; }
sql <<'SQL'
REVOKE ALL ON DATABASE :"new" FROM PUBLIC;
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', :'name') WHERE EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = :'name' \gset
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', :'name', :'old') WHERE EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
ALTER DATABASE :"new" RENAME TO :"name";
COMMIT;
SQL
echo "$DATABASE is that of $BACKUP; what was there, if anything, is ${DATABASE}_before_$at"
