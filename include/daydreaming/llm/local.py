"""The local demo model behind an OpenAI-compatible server: ``python -m daydreaming.llm.local``.

llama.cpp (from the package ``xllamacpp``) with the weights of Gemma 3 270M, on loopback only. It is a
base model: it continues a text and follows no instructions, so messages reach it unchanged, prompts
lead into the text wanted, and a GBNF grammar in the request bounds the answer.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from daydreaming.errors import InputError
from daydreaming.llm.local_weights import (
    INSTALL,
    LocalModelUnavailableError,
    default_weights_dir,
    find_weights_pieces,
    prepare_weights,
)

MODEL_NAME = "gemma-3-270m"
READY = "listening on "
EXIT_UNAVAILABLE = 3

#: The model's own template is for chat, which the weights were not trained for.
_UNCHANGED = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
_SILENT = 1  # llama.cpp's verbosity: errors alone
_START_TIMEOUT_S = 60.0
_END_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


@dataclass(frozen=True)
class LocalServerConfig:
    """How the model is served.

    Attributes:
        port: Port; 0 takes a free one.
        host: Address to listen on; loopback only, since the server asks for no key.
        threads: Threads that compute a token. Half the cores: Airflow needs the others, and on a
            busy machine more threads are no faster, because each token waits for the last of them.
        slots: Calls that are answered at the same time; further ones wait.
        slot_tokens: Most tokens of a prompt and its answer together.
    """

    port: int = 0
    host: str = "127.0.0.1"
    threads: int = max(1, (os.cpu_count() or 1) // 2)
    slots: int = 4
    slot_tokens: int = 2048

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise InputError(
                f"--host must be a loopback address such as 127.0.0.1; got {self.host!r}. "
                "The server asks for no key: put a proxy in front of it to share it."
            )
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port must be between 0 and 65535; got {self.port}. 0 takes a free one.")
        for name in ("threads", "slots", "slot_tokens"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} must be at least 1; got {getattr(self, name)}.")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine and no other; names but ``localhost`` are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Serve until SIGTERM or SIGINT; exit code 2 for wrong settings, 3 where the model cannot run."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    weights_dir = given.pop("weights_dir") or default_weights_dir()
    try:
        config = LocalServerConfig(**given)
        require_free(config.host, config.port)
    except InputError as error:
        parser.error(str(error))
    try:
        url = _serve(config, weights_dir)
    except LocalModelUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_UNAVAILABLE)
    print(f"{READY}{url}/v1", flush=True)  # noqa: T201
    signal.sigwait(_END_SIGNALS)
    _exit_at_once()


def why_unavailable() -> str | None:
    """Why the model cannot run here, in one line; None where engine and weights are installed."""
    try:
        load_engine()
        find_weights_pieces()
    except LocalModelUnavailableError as error:
        return str(error)
    return None


def load_engine() -> Any:
    """Import llama.cpp's binding.

    Raises:
        LocalModelUnavailableError: It is not installed, or a library that it needs is missing.
    """
    # Threads that spin while they wait take the cores from Airflow: tried with two busy processes on
    # two cores, 3 tokens/s instead of 14. Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        return import_module("xllamacpp")
    except ModuleNotFoundError as error:
        raise LocalModelUnavailableError(f"xllamacpp (llama.cpp) is not installed. {INSTALL}") from error
    except ImportError as error:
        raise LocalModelUnavailableError(
            f"xllamacpp (llama.cpp) cannot be loaded: {error}. Install the library that it names "
            "(libgomp.so.1 is in Debian's package libgomp1), or use `make demo LLM=simulated`."
        ) from error


def require_free(host: str, port: int) -> None:
    """Check that a port can be listened on.

    Raises:
        InputError: It is taken, or not for us.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"cannot listen on {host}:{port}: {error.strerror or error}. "
                "Choose another --port; 0 takes a free one."
            ) from error


def _serve(config: LocalServerConfig, weights_dir: Path) -> str:
    """Start the server's threads; returns its URL once it answers."""
    engine = load_engine()
    weights = prepare_weights(weights_dir)
    # Blocked before the server's threads start, so that they inherit it and sigwait alone sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)
    try:
        server = engine.Server(_parameters(engine, config, weights))
    except RuntimeError as error:
        raise LocalModelUnavailableError(
            f"llama.cpp did not start with {weights}: {error} Its own lines above say why."
        ) from error
    url = str(server.listening_address)
    _wait_until_healthy(url)
    _running.append(server)
    return url


#: Keeps the server alive: its threads end with the object.
_running: list[Any] = []


def _parameters(engine: Any, config: LocalServerConfig, weights: Path) -> Any:
    params = engine.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {MODEL_NAME}
    params.hostnames = [config.host]
    params.port = config.port
    params.ui = False
    params.verbosity = _SILENT
    params.use_jinja = True
    params.chat_template = _UNCHANGED
    params.cpuparams.n_threads = config.threads
    params.cpuparams_batch.n_threads = config.threads
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.slot_tokens
    # Lets a prompt reuse what the one before it computed for the same beginning (a judge's examples),
    # which the model's sliding window forbids otherwise; caches outside the slots cost memory alone.
    params.swa_full = True
    params.n_ctx_checkpoints = 0
    params.cache_ram_mib = 0
    return params


def _wait_until_healthy(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with opener.open(f"{url}/health", timeout=_START_TIMEOUT_S) as reply:
                if json.load(reply).get("status") == "ok":
                    return
        except urllib.error.URLError:
            pass  # 503 while the weights are loaded
        if time.monotonic() > deadline:
            raise LocalModelUnavailableError(f"The model was not ready after {_START_TIMEOUT_S:g} s.")
        time.sleep(0.1)


def _exit_at_once() -> NoReturn:
    """End without waiting for calls in flight: the server's own shutdown hangs on them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} See --help.\n")


def _parser() -> argparse.ArgumentParser:
    default = LocalServerConfig()
    parser = _OneLineParser(
        prog="python -m daydreaming.llm.local",
        description="Gemma 3 270M behind an OpenAI-compatible server on this machine. Gemma's terms apply.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default=default.host, help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=default.port, help="port; 0 takes a free one")
    parser.add_argument("--threads", type=int, default=default.threads, help="threads that compute")
    parser.add_argument("--slots", type=int, default=default.slots, help="calls answered at the same time")
    parser.add_argument(
        "--slot-tokens", type=int, default=default.slot_tokens, help="most tokens of prompt and answer"
    )
    parser.add_argument(
        "--weights-dir",
        type=Path,
        help="where the weights are kept; without it DAYDREAMING_WEIGHTS_DIR, else the user's cache",
    )
    return parser


if __name__ == "__main__":
    main()
