#!/bin/sh
# A streaming replica: copied from the primary at the first start, and following it ever since.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    pg_basebackup --host postgres --username crossbook_replica --pgdata "$PGDATA" --wal-method stream --write-recovery-conf
    chmod 0700 "$PGDATA"
fi
# Replay wins against long reads; those go to the primary then.
exec postgres -c hot_standby=on -c max_standby_streaming_delay=5s -c max_connections=200
