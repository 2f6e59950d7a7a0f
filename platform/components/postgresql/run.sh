#!/bin/sh
# Starts PostgreSQL: makes the cluster of databases when there is none, brings roles and databases to what the Secrets say, and
# becomes the server. Doing it again changes nothing but passwords that were rotated.
set -eu

# Debian keeps the programs out of the PATH.
for dir in /usr/lib/postgresql/*/bin; do
  if [ -d "$dir" ]; then PATH=$PATH:$dir; fi
done

# A pod that was deleted by force may still run while the next one starts. The lock is the kernel's, so both see it, and it is held
# until the last process of this container is gone. With it, what a killed server left in postmaster.pid means nothing.
exec 9>>"$PGDATA.lock"
flock --timeout 300 9 || { echo "another server holds $PGDATA" >&2; exit 1; }
rm -f "$PGDATA/postmaster.pid"

user=$(cat /secrets/superuser/username)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Whole or not at all. C: an order of text that no upgrade of the system changes under an index.
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username="$user" --pwfile=/secrets/superuser/password \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --data-checksums
  mv "$PGDATA.new" "$PGDATA"
fi
set -- -D "$PGDATA" -c config_file=/etc/postgresql/postgresql.conf -c hba_file=/etc/postgresql/pg_hba.conf

quoted() { sed "s/'/''/g" "$1"; }
printf "ALTER ROLE \"%s\" PASSWORD '%s';\n" "$user" "$(quoted /secrets/superuser/password)" |
  postgres --single "$@" postgres >/dev/null

# Nobody else reaches the server while roles are made: it listens on a socket of this container alone.
mkdir -p /tmp/socket
pg_ctl start --wait --silent --log=/tmp/first.log --options="$* -c listen_addresses= -c unix_socket_directories=/tmp/socket" ||
  { cat /tmp/first.log >&2; exit 1; }
for secret in /secrets/databases/*; do
  PGPASSWORD=$(cat /secrets/superuser/password) SECRET=$secret \
    psql --quiet --no-psqlrc --host=/tmp/socket --username="$user" --dbname=postgres --set=ON_ERROR_STOP=1 <<'SQL'
\set role `cat "$SECRET/username"`
\set password `cat "$SECRET/password"`
\set database `cat "$SECRET/database"`
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', :'role', :'password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'database') \gexec
SQL
done
PGPASSWORD=$(cat /secrets/superuser/password) psql --quiet --no-psqlrc --host=/tmp/socket --username="$user" --dbname=postgres \
  --set=ON_ERROR_STOP=1 --command='REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC'
pg_ctl stop --pgdata="$PGDATA" --wait --silent --mode=fast

exec postgres "$@"
