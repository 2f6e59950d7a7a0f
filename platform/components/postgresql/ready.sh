#!/bin/sh
# Says whether the server takes connections from others.
for dir in /usr/lib/postgresql/*/bin; do
  if [ -d "$dir" ]; then PATH=$PATH:$dir; fi
done
case "${1-}" in
  stop) exec pg_ctl stop --pgdata="$PGDATA" --mode=fast --timeout=50 ;; # clients are told to go, and what is acknowledged is on the disk
  *) exec pg_isready --quiet --host=127.0.0.1 --timeout=3 ;;
esac
