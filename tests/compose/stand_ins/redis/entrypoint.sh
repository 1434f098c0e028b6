#!/usr/bin/env bash
# As the official image: the server, and a shell that starts it, do not run as root.
set -euo pipefail
if [[ $(id -u) = 0 && $1 = redis-server ]]; then
    chown redis .
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
if [[ $1 = redis-server ]]; then exec "$@" --protected-mode no; fi
exec "$@"
