#!/usr/bin/env bash
# As the official image: "bash" and "python" are run as they are, anything else is a command of airflow.
set -euo pipefail
case ${1:-} in
    bash | python | airflow) exec "$@" ;;
    *) exec airflow "$@" ;;
esac
