#!/usr/bin/env bash
# Builds a stand-in for a public image that the compose file names, for a machine without an image registry.
#
# From the packages of Debian and PyPI, under the same name, with an entry point that reads the same variables as
# the original's. It proves the compose file and our own image; it is not for use. Needs root, podman, debootstrap.
#
#   build.sh docker.io/library/postgres:17
set -euo pipefail
cd "$(dirname "$0")"
IMAGE=$1
NAME=$(basename "${IMAGE%:*}")
SUITE=trixie
BASE=docker.io/library/debian:$SUITE-slim

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
echo "Building a stand-in for $IMAGE"
podman build --quiet --network=host --tag "$IMAGE" --build-arg "VERSION=${IMAGE##*:}" "$NAME"
