#!/usr/bin/env bash
# Run once, by the PostgreSQL image, when its volume is made: two databases, each with a user of its own who
# can reach no other. Passwords go through psql's variables, so no character of theirs means anything.
set -euo pipefail
for database in airflow daydreaming; do
    case $database in
        airflow) password=$AIRFLOW_DB_PASSWORD ;;
        daydreaming) password=$RESULTS_DB_PASSWORD ;;
    esac
    psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --set ON_ERROR_STOP=1 --quiet \
        --set name="$database" --set password="$password" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --quiet \
    --command "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"
