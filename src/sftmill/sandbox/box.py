"""The near end of the sandbox: starts the server process, sends it jobs, reads verdicts."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.sandbox import kernel

_BOOT = (
    "import sys, types; p = types.ModuleType('sftmill'); p.__path__ = [sys.argv[1]]; sys.modules['sftmill'] = p; "
    "from sftmill.sandbox.server import serve; serve(int(sys.argv[2]))"
)
_PACKAGE = str(Path(__file__).resolve().parent.parent)
LONGEST_TEXT = 1 << 20
"""Characters of code or tests; nobody's answer is longer."""
_SLACK = 10.0
"""Seconds beyond the limit after which the server itself is taken to be gone."""
_START = 60.0


class SandboxUnavailable(OSError):
    """This machine offers nothing to run unread code in; nothing is run then."""


class Limits(NamedTuple):
    """What a check may use up."""

    seconds: int = 5
    """Of processor time, for the code and for the tests each."""
    patience: float = 15.0
    """Seconds by the clock, for a check that sleeps or waits."""
    memory: int = 1 << 30
    """Bytes of address space of each process."""


class Outcome(NamedTuple):
    """What came of a check."""

    ok: bool | None
    """Whether the code passed; None where that could not be told, because the tests are at fault."""
    why: str
    """A short reason, empty where the code passed."""


class Sandbox:
    """One server process and the jobs it is given, one at a time; safe to use from several threads.

    The server starts with the first check and ends with `close` or with this process.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.owner = 0
        self.count = 0
        self.layers: tuple[str, ...] = ()
        """What the code is closed in by, known after the start."""

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server, unless it runs; raises SandboxUnavailable where the machine cannot close it in."""
        with self.lock:
            self._ready()

    def close(self) -> None:
        """End the server and all that it runs."""
        with self.lock:
            self._stop()

    def check(self, code: str, tests: str, entry_point: str = "", limits: Limits | None = None) -> Outcome:
        """Run code against its tests; raises SandboxUnavailable where nothing can be run safely.

        `tests` is Python (asserts at the top, `check(candidate)`, test functions or unittest classes) or a JSON list
        of {"input", "output"} for a program that reads and prints. `entry_point` names what is tested: only a
        function of that name may have the name of a builtin.
        """
        limits = limits or Limits()
        for name, text in (("code", code), ("tests", tests)):
            if len(text) > LONGEST_TEXT:
                return Outcome(
                    False if name == "code" else None, f"the {name} is longer than {LONGEST_TEXT:,} characters"
                )
        with self.lock:
            self._ready()
            try:
                return self._run(code, tests, entry_point, limits)
            except OSError as error:
                self._stop()
                return Outcome(None, f"the sandbox broke off: {error}")
            except BaseException:
                self._stop()
                raise

    def _run(self, code: str, tests: str, entry_point: str, limits: Limits) -> Outcome:
        assert self.channel
        self.count += 1
        pipes = [os.pipe() for _ in range(3)]
        (code_out, code_in), (tests_out, tests_in), (verdict_out, verdict_in) = pipes
        mine = [code_in, tests_in, verdict_out]
        job = {"job": self.count, "seconds": limits.patience, "cpu": limits.seconds, "memory": limits.memory}
        job["entry_point"] = entry_point
        try:
            try:
                socket.send_fds(self.channel, [json.dumps(job).encode()], [code_out, tests_out, verdict_in])
            finally:
                for handle in (code_out, tests_out, verdict_in):
                    os.close(handle)
            for handle, text in ((tests_in, tests), (code_in, code)):
                mine.remove(handle)
                _write(handle, text.encode("utf-8", "surrogatepass"))
            ends = time.monotonic() + limits.patience + _SLACK
            said = _read(verdict_out, ends)
        finally:
            for handle in mine:
                os.close(handle)
        report = self._report(ends)
        if report["late"]:
            return Outcome(False, f"not done after {limits.patience:g} s")
        if -signal.SIGXCPU in report["status"].values():
            return Outcome(False, f"not done after {limits.seconds} s of processor time")
        if not said:
            return Outcome(False, "the tests ended without a verdict: too much memory, or a crash")
        verdict = json.loads(said)
        return Outcome(verdict["ok"], str(verdict["why"]))

    def _report(self, ends: float) -> dict[str, Any]:
        """Wait until the server says that both processes are gone."""
        assert self.channel
        self.channel.settimeout(max(1.0, ends - time.monotonic()))
        body = self.channel.recv(65536)
        report = json.loads(body) if body else {}
        if report.get("job") != self.count:
            raise OSError("its process died")
        return report

    def _ready(self) -> None:
        if self.process and self.owner != os.getpid():  # a fork of the process that started it
            self.process, self.channel = None, None
        if self.process and self.process.poll() is None:
            return
        self._stop()
        if not kernel.supported_machine():
            raise SandboxUnavailable("code can be run safely on Linux only, on x86_64 or aarch64")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-s", "-S", "-P", "-X", "utf8", "-c", _BOOT, _PACKAGE, str(theirs.fileno())]
        none = subprocess.DEVNULL
        self.process = subprocess.Popen(
            command,
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            pass_fds=[theirs.fileno()],
            stdin=none,
            stdout=none,
            stderr=none,
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        self.channel, self.owner = ours, os.getpid()
        ours.settimeout(_START)
        try:
            said = json.loads(ours.recv(65536) or b"{}")
        except (OSError, ValueError):
            said = {}
        if "layers" not in said:
            self._stop()
            reason = said.get("error", "its process died at the start")
            raise SandboxUnavailable(f"this machine offers no sandbox for code: {reason}")
        self.layers = tuple(said["layers"])

    def _stop(self) -> None:
        if self.channel:
            self.channel.close()
        if self.process and self.owner == os.getpid():
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = self.channel = None


def why_unavailable() -> str:
    """Return why code cannot be run safely on this machine, the empty string where it can."""
    with Sandbox() as sandbox:
        try:
            sandbox.start()
        except SandboxUnavailable as error:
            return str(error)
    return ""


def _write(handle: int, body: bytes) -> None:
    """Write all and close; a reader that is gone has been ended for its own reasons."""
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(handle, view) :]
    except BrokenPipeError:
        pass
    finally:
        os.close(handle)


def _read(handle: int, ends: float) -> bytes:
    """Read until the end of a pipe, at most until a moment; raises TimeoutError."""
    parts = []
    while True:
        if not select.select([handle], [], [], max(0.0, ends - time.monotonic()))[0]:
            raise TimeoutError("no verdict in time")
        part = os.read(handle, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
