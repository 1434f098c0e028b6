"""The command: ``python -m daydreaming.llm.simulator``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, NoReturn

from daydreaming.errors import InputError
from daydreaming.llm.simulator.app import create_app
from daydreaming.llm.simulator.behaviour import Fault, SimulatorConfig, read_sticky
from daydreaming.llm.simulator.serve import (
    SimulatorServer,
    allow_many_connections,
    listen,
    stop_when_stdin_closes,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """\
examples:
  a free port, quick answers
    python -m daydreaming.llm.simulator --port 0
  a slow free tier: 2 s a call, 20 calls a minute per model
    python -m daydreaming.llm.simulator --port 8099 --latency-s 2 --jitter-s 0.5 --rpm 20
  a bad day: some 429 and 500, and essays that stay truncated however often one asks
    python -m daydreaming.llm.simulator --rate-429 0.1 --rate-500 0.1 --rate-truncated 0.1 --sticky truncated
  watch it, change it
    curl -s localhost:8099/stats
    curl -s localhost:8099/control -d '{"rate_500": 0, "latency_s": 0.2}'

faults, in the order in which their shares are added up:
  """ + ", ".join(Fault)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} See --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it; 2 where the settings or the address are wrong."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    host, port, until_stdin_closes = given.pop("host"), given.pop("port"), given.pop("until_stdin_closes")
    try:
        config = SimulatorConfig(**given)
        listening = listen(host, port)
    except InputError as error:
        parser.error(" ".join(error.problems))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on {host}:{port}: {error}. Choose another --port; 0 takes a free one.")
    url = url_of(listening)
    server = SimulatorServer(create_app(config), lambda: print(f"listening on {url}", flush=True))  # noqa: T201
    allow_many_connections()
    if until_stdin_closes:
        stop_when_stdin_closes(server)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m daydreaming.llm.simulator",
        usage="%(prog)s [options]",
        description="An OpenAI-compatible server that invents its answers, deterministic by seed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = {field.name: field.default for field in fields(SimulatorConfig)}

    def add(name: str, kind: type, text: str) -> None:
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=kind, default=default[name], help=f"{text} (default: %(default)s)")

    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default: %(default)s)")
    add("seed", int, "another seed, other answers and other faults")
    add("latency_s", float, "seconds until a call is answered")
    add("jitter_s", float, "seconds that the latency varies by, up or down")
    add("rpm", int, "requests per minute that each model admits")
    add("window_s", float, "seconds that stand for the minute in --rpm")
    add("retry_after_s", int, "Retry-After of the answers that --rate-429 makes")
    add("hang_s", float, "seconds that --rate-timeout keeps a connection open")
    add("batch_latency_s", float, "seconds until a batch is complete")
    add("batch_failed", float, "share of a batch's members, 0 to 1, that fail in it")
    for fault in Fault:
        add(f"rate_{fault}", float, f"share of calls, 0 to 1, that end as {fault}")
    parser.add_argument(
        "--sticky", type=_sticky, default=(), help="faults that each attempt shares: truncated,unreadable"
    )
    parser.add_argument("--models", type=_names, default=(), help="names served, a,b; others get 404")
    parser.add_argument("--api-key", help="key that /v1 asks for")
    parser.add_argument("--price", type=_price, help="US dollars per million tokens, INPUT,OUTPUT")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when stdin does, so as to outlive no parent"
    )
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sticky(text: str) -> tuple[Fault, ...]:
    try:
        return read_sticky(_names(text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _price(text: str) -> tuple[float, float]:
    try:
        price_in, price_out = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be two numbers, INPUT,OUTPUT; got {text!r}.") from None
    return price_in, price_out


if __name__ == "__main__":
    sys.exit(main())
