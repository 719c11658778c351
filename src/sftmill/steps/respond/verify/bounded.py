"""Computations on untrusted text that may take for ever, in a process that is killed when it does."""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_CHILD = Path(__file__).with_name("bounded_child.py")
_START = 60.0
"""Seconds that the process may take to begin; it imports a computer algebra system with the first formula."""


class Unfinished(Exception):
    """The computation took too long, too much memory, or could not be done at all; the message says which."""


class Bounded:
    """A helper process, started when first asked; safe to use from several threads, one question at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.owner = 0
        self.warm: set[str] = set()

    def ask(self, seconds: float, **request: Any) -> bool:
        """Return what the helper finds; raises Unfinished."""
        with self.lock:
            process = self._ready()
            try:
                answer = self._exchange(process, request, seconds)
            except BaseException:
                self._end()
                raise
        if "error" in answer:
            raise Unfinished(answer["error"])
        return bool(answer["is"])

    def _exchange(self, process: subprocess.Popen[bytes], request: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert process.stdin and process.stdout
        # the first of a kind imports what it needs
        ends = time.monotonic() + (seconds if request["do"] in self.warm else max(seconds, _START))
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise Unfinished("the helper process died") from error
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([process.stdout], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise Unfinished(f"not done after {seconds:g} s")
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                raise Unfinished("the helper process died, perhaps for want of memory")
            line += part
        self.warm.add(request["do"])
        return json.loads(line)

    def _ready(self) -> subprocess.Popen[bytes]:
        if self.process and self.owner == os.getpid() and self.process.poll() is None:
            return self.process
        self.warm.clear()
        self.owner = os.getpid()
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        command = [sys.executable, "-I", "-X", "utf8", str(_CHILD)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none, env={})
        return self.process

    def _end(self) -> None:
        if self.process and self.owner == os.getpid():  # a fork of the process that started it leaves it alone
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        self.process = None

    def close(self) -> None:
        """End the helper; the next question starts another."""
        with self.lock:
            self._end()


HELPER = Bounded()
"""The helper of this process; it ends with it, at the latest when its standard input ends."""
atexit.register(HELPER.close)
