#!/usr/bin/env bash
# As the official image: the first start makes the cluster and runs what is in /docker-entrypoint-initdb.d.
set -euo pipefail
if [[ $(id -u) = 0 ]]; then
    chown postgres "$PGDATA" /run/postgresql && chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    [[ -n ${POSTGRES_PASSWORD:-} ]] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
    user=${POSTGRES_USER:-postgres}
    initdb --username="$user" --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-local=trust \
        --auth-host=scram-sha-256 "$PGDATA"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait -o "-c listen_addresses=''" start
    export PGUSER=$user
    for file in /docker-entrypoint-initdb.d/*.sh; do
        # shellcheck source=/dev/null
        if [[ -x $file ]]; then "$file"; elif [[ -e $file ]]; then . "$file"; fi
    done
    unset PGUSER
    pg_ctl --wait --mode=fast stop
fi
exec "$@" -c listen_addresses='*'
