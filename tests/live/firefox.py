"""A Firefox of the system, driven by Marionette, which every Firefox speaks: playwright wants a build of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

PATIENCE = 240  # seconds; a busy machine is no failure
RUN = """const [script, given, done] = arguments;
eval(`(${script})`)(given).then((value) => done([value, ""]), (error) => done([null, String(error)]));"""


@contextmanager
def firefox(executable: str, profile: Path) -> Iterator[Firefox]:
    """A Firefox without a window, with a fresh profile in this folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n', encoding="utf-8")
    command = [executable, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "HOME": str(profile)}, **quiet) as process:
        try:
            with connected(port) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()


def connected(port: int) -> socket.socket:
    """The connection, once Firefox listens. Raises OSError where it does not."""
    latest = monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            if monotonic() > latest:
                raise
            sleep(0.2)


class Firefox:
    """One window. A message is its length, a colon, and JSON: [0, number, command, parameters] on its way there, [1,
    number, error, result] back."""

    def __init__(self, connection: socket.socket):
        self.connection, self.reading, self.number = connection, connection.makefile("rb"), 0
        self._read()  # its greeting
        timeouts = {"script": 1000 * PATIENCE, "pageLoad": 1000 * PATIENCE}
        self._call("WebDriver:NewSession", capabilities={"alwaysMatch": {"timeouts": timeouts}})

    def visit(self, address: str) -> None:
        self._call("WebDriver:Navigate", url=address)

    def evaluate(self, script: str, given: Any) -> Any:
        """What an asynchronous JavaScript function says to an argument, in the page. Raises where it does."""
        value, error = self._call("WebDriver:ExecuteAsyncScript", script=RUN, args=[script, given], sandbox=None)[
            "value"
        ]
        if error:
            raise RuntimeError(error)
        return value

    def _call(self, command: str, **parameters: Any) -> Any:
        self.number += 1
        content = json.dumps([0, self.number, command, parameters]).encode()
        self.connection.sendall(f"{len(content)}:".encode() + content)
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def _read(self) -> Any:
        length = b""
        while (digit := self.reading.read(1)) != b":":
            if not digit:
                raise EOFError("Firefox has ended")
            length += digit
        return json.loads(self.reading.read(int(length)))
