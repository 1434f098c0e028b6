"""Serve the local model to the other containers.

The model server listens on loopback only, since it asks for no key. In a container of its own that is too
little, so this process passes connections on to it. The port must not be published.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

PORT = 8000
_MODEL_PORT = 8001
_CHUNK_BYTES = 65_536


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK_BYTES):
            target.write(data)
            await target.drain()
    target.close()


def forward_to(port: int) -> object:
    """A connection handler for ``asyncio.start_server`` that passes bytes on to a port on loopback."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            model_reader, model_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, model_writer), _pass_on(model_reader, writer))

    return handle


async def serve() -> int:
    """Run the model and the forwarding until the model ends; returns its exit code."""
    command = [sys.executable, "-m", "daydreaming.llm.local", "--port", str(_MODEL_PORT), *sys.argv[1:]]
    model = await asyncio.create_subprocess_exec(*command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, model.terminate)
    async with await asyncio.start_server(forward_to(_MODEL_PORT), "0.0.0.0", PORT):  # noqa: S104 - see above
        return await model.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
