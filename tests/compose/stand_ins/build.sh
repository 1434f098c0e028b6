#!/usr/bin/env bash
# Builds stand-ins for the public images that the compose file names, for a machine without an image registry.
#
# From Debian's packages and PyPI, under the same names, with entry points that read the same variables as the
# originals. They prove the compose file and our own image; they are not for use. Needs root, podman, debootstrap.
set -euo pipefail
cd "$(dirname "$0")"
AIRFLOW_VERSION=$1 POSTGRES_TAG=$2 REDIS_TAG=$3
SUITE=trixie
BASE=docker.io/library/debian:$SUITE-slim

build() { # name, folder, further options
    podman image exists "$1" && return
    echo "Building a stand-in for $1"
    podman build --quiet --network=host --tag "$1" "${@:3}" "$2"
}

if ! podman image exists "$BASE"; then
    echo "Making a stand-in for $BASE"
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$root/tree" >"$root/log" 2>&1 ||
        { tail -n 5 "$root/log"; exit 1; }
    # The host's own list: a host behind a proxy trusts the proxy's certificate, and so must its containers.
    cp /etc/ssl/certs/ca-certificates.crt "$root/tree/etc/ssl/certs/ca-certificates.crt"
    tar -c -C "$root/tree" . | podman import --quiet - "$BASE"
fi
build "docker.io/library/postgres:$POSTGRES_TAG" postgres
build "docker.io/library/redis:$REDIS_TAG" redis
build "docker.io/apache/airflow:$AIRFLOW_VERSION" airflow --build-arg "AIRFLOW_VERSION=$AIRFLOW_VERSION"
