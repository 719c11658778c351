"""The mock endpoint: built from its C source, started on a free port, asked for its counters."""

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from common import BUILD, REPOSITORY, CannotMeasure

SOURCE = REPOSITORY / "../shared/tools/mockllm/mockllm.c"


def build_mock(path: Path | None = None) -> Path:
    """Return the mock's binary: `path` itself, or built from C source with gcc when that is newer.

    `path` may be a binary, a .c file or a folder with mockllm.c in it. Raises CannotMeasure.
    """
    source = (path or SOURCE).resolve()
    if source.is_dir():
        source = source / "mockllm.c"
    if not source.is_file():
        raise CannotMeasure(f"{source}: the mock endpoint is not there; name its source or binary with --mockllm PATH")
    if source.suffix != ".c":
        return source
    BUILD.mkdir(parents=True, exist_ok=True)
    binary = BUILD / "mockllm"
    if binary.is_file() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotMeasure("no C compiler: install gcc, or name a built mock endpoint with --mockllm PATH")
    made = subprocess.run(
        [compiler, "-O2", "-o", str(binary), str(source), "-lm"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise CannotMeasure(f"{source} does not compile:\n{made.stderr[:2000]}")
    return binary


class Mock:
    """A running mock endpoint; options are those of its command line with `_` for `-`.

    Use it as a context manager. One thread at a time may ask it.
    """

    def __init__(self, binary: Path, **options: Any):
        self.binary = binary
        self.options = options

    def __enter__(self) -> "Mock":
        arguments = [str(self.binary), "--port", "0"]
        for name, value in self.options.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.process.kill()
            raise CannotMeasure(f"{self.binary} did not start with {self.options}: {line!r}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1].split("/")[0])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """Return the counters."""
        return json.loads(self._ask("GET", "/stats"))

    def reset(self) -> None:
        """Set the counters to zero."""
        self._ask("POST", "/reset")

    def _ask(self, method: str, path: str) -> bytes:
        try:
            self.connection.request(method, path)
            return self.connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection.request(method, path)
            return self.connection.getresponse().read()


class InFlight(threading.Thread):
    """Samples how many requests the mock holds, from the first one until `until(stats)` is true.

    Afterwards `area` has the integral of requests in flight over time, in request seconds, and `seconds` the time.
    """

    def __init__(self, mock: Mock, until: Callable[[dict[str, Any]], bool], every: float = 0.015):
        super().__init__(daemon=True)
        self.mock = mock
        self.until = until
        self.every = every
        self.given_up = threading.Event()
        self.area = self.seconds = 0.0
        self.complete = False
        """Whether `until` was reached."""
        self.course: list[tuple[float, int]] = []
        """(seconds since the first request, requests in flight)"""

    def run(self) -> None:
        """Sample with a connection of its own, until the end or until the mock is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.mock.port, timeout=10)
        with suppress(OSError, http.client.HTTPException):
            self._sample(connection)
        connection.close()

    def _sample(self, connection: http.client.HTTPConnection) -> None:
        first = last = 0.0
        held = 0
        while not self.given_up.is_set():
            connection.request("GET", "/stats")
            stats = json.loads(connection.getresponse().read())
            now = time.monotonic()
            if not first and stats["total"]:
                # the requests of the last few milliseconds before the first sample are forgone
                first = last = now
                held = stats["inflight"]
            elif first:
                self.area += (now - last) * (held + stats["inflight"]) / 2
                last, held = now, stats["inflight"]
                self.seconds = now - first
                self.course.append((self.seconds, held))
                if self.until(stats):
                    self.complete = True
                    break
            time.sleep(self.every)

    def stop(self) -> None:
        """End the sampling if it has not ended by itself."""
        self.given_up.set()
        self.join()
