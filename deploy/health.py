"""Health checks that cost milliseconds: Airflow's own command needs seconds of CPU each time.

``health.py job SchedulerJob`` asks the metadata database for this container's heartbeat; ``health.py worker``
asks the Celery worker itself; ``health.py http URL`` asks a server.
"""

from __future__ import annotations

import os
import socket
import sys
import urllib.request

_TIMEOUT_S = 5
#: Airflow's jobs beat every 5 s.
_STALE_AFTER_S = 60
_BEATING = (
    "SELECT count(*) FROM job WHERE job_type = %s AND hostname = %s AND state = 'running' "
    "AND latest_heartbeat > now() - %s * interval '1 second'"
)


def job_is_alive(job_type: str) -> bool:
    """Whether a job of this container has had a heartbeat in the last minute."""
    import psycopg2

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2://", "postgresql://")
    connection = psycopg2.connect(url, connect_timeout=_TIMEOUT_S)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_BEATING, (job_type, socket.gethostname(), _STALE_AFTER_S))
            return bool(cursor.fetchone()[0])
    finally:
        connection.close()


def worker_is_alive() -> bool:
    """Whether this container's Celery worker answers through the broker."""
    from celery import Celery

    app = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    return bool(app.control.inspect([f"celery@{socket.gethostname()}"], timeout=_TIMEOUT_S).ping())


def server_is_alive(url: str) -> bool:
    """Whether a server answers with success."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the compose file's own URL
        return bool(response.status == 200)


def main(arguments: list[str]) -> None:
    """Exit with 0 where alive, with 1 and a line where not."""
    match arguments:
        case ["job", job_type]:
            alive = job_is_alive(job_type)
        case ["worker"]:
            alive = worker_is_alive()
        case ["http", url]:
            alive = server_is_alive(url)
        case _:
            sys.exit(f"Usage: health.py job TYPE | worker | http URL; got {' '.join(arguments) or 'nothing'}")
    if not alive:
        sys.exit(f"{' '.join(arguments)}: no sign of life")


if __name__ == "__main__":
    main(sys.argv[1:])
