#!/bin/sh
# Run once by the image of PostgreSQL, when its data directory is new: a role for the replica, and its way in.
set -eu
psql --username postgres --dbname crossbook --set password="$CROSSBOOK_REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE crossbook_replica LOGIN REPLICATION PASSWORD :'password';
SQL
echo "host replication crossbook_replica all scram-sha-256" >> "$PGDATA/pg_hba.conf"
