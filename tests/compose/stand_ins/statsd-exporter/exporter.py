"""A stand-in for the StatsD exporter, which no package of Debian has: just what our mapping asks of it.

Names are matched as they are. Tags in the form of InfluxDB become labels, times become histograms in seconds.
"""

from __future__ import annotations

import argparse
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

STATSD_PORT, HTTP_PORT = 9125, 9102
_OTHER = re.compile(r"[^A-Za-z0-9_]")
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What came, by name and labels."""

    def __init__(self, mapping: dict) -> None:
        self._mapped = {entry["match"]: entry for entry in mapping["mappings"]}
        self._buckets = mapping["defaults"]["histogram_options"]["buckets"]
        self._kinds: dict[str, str] = {}
        self._values: dict[str, dict[Labels, float]] = {}
        self._times: dict[str, dict[Labels, tuple[list[float], list[float]]]] = {}
        self._turn = threading.Lock()

    def take(self, line: str) -> None:
        """Count one line, such as ``airflow.ti.start,dag_id=a:1|c``."""
        named, _, rest = line.rpartition(":")
        value, kind, *_ = rest.split("|")
        sent, *tags = named.split(",")
        entry = self._mapped.get(sent, {})
        name = entry.get("name", _OTHER.sub("_", sent))
        found = dict(tag.split("=", 1) for tag in tags) | entry.get("labels", {})
        labels = tuple(sorted((_OTHER.sub("_", label), text) for label, text in found.items()))
        amount = float(value) * entry.get("scale", 1)
        with self._turn:
            self._count(name, kind, labels, amount, value, entry)

    def _count(self, name: str, kind: str, labels: Labels, amount: float, text: str, entry: dict) -> None:
        if kind == "ms":
            buckets = entry.get("histogram_options", {}).get("buckets", self._buckets)
            _, seen = self._times.setdefault(name, {}).setdefault(labels, (buckets, []))
            seen.append(amount / 1000)
            return
        is_added = kind == "c" or text[0] in "+-"
        series = self._values.setdefault(name, {})
        self._kinds[name] = "counter" if kind == "c" else "gauge"
        series[labels] = (series.get(labels, 0) if is_added else 0) + amount

    def text(self) -> str:
        """What Prometheus reads."""
        with self._turn:
            lines = []
            for name, series in self._values.items():
                lines.append(f"# TYPE {name} {self._kinds[name]}")
                lines += [f"{name}{_shown(labels)} {value}" for labels, value in series.items()]
            for name, timed in self._times.items():
                lines.append(f"# TYPE {name} histogram")
                for labels, (buckets, seen) in timed.items():
                    for bound in buckets:
                        count = sum(value <= bound for value in seen)
                        lines.append(f"{name}_bucket{_shown((*labels, ('le', str(bound))))} {count}")
                    lines.append(f"{name}_bucket{_shown((*labels, ('le', '+Inf')))} {len(seen)}")
                    lines.append(f"{name}_sum{_shown(labels)} {sum(seen)}")
                    lines.append(f"{name}_count{_shown(labels)} {len(seen)}")
            return "\n".join(lines) + "\n"


def _shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""


def main() -> None:
    """Receive and show until the container ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--statsd.mapping-config", dest="mapping", type=Path, required=True)
    metrics = Metrics(yaml.safe_load(parser.parse_args().mapping.read_text(encoding="utf-8")))

    class Receive(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            for line in self.request[0].decode().splitlines():
                metrics.take(line)

    class Show(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each look."""

    receiver = socketserver.UDPServer(("", STATSD_PORT), Receive)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", HTTP_PORT), Show).serve_forever()


if __name__ == "__main__":
    main()
