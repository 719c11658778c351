"""The process that checks are forked from: it has the standard library in memory and never runs foreign code itself.

It is started with an empty environment and one socket, on which it is sent jobs, each with three pipes: one that the
code comes through, one that the tests come through, one for the verdict. It forks before either is read, so that no
job's texts are in its memory, nor in that of another job.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import Any

from sftmill.sandbox import kernel
from sftmill.sandbox.candidate import Candidate
from sftmill.sandbox.examiner import Examiner

IMPORTED = str.split(
    "abc argparse array asyncio base64 bisect bz2 calendar cmath collections contextlib copy csv ctypes dataclasses "
    "datetime decimal difflib enum fractions functools hashlib heapq html inspect io itertools json keyword lzma math "
    "numbers operator pathlib pickle pprint queue random re secrets sqlite3 statistics string struct tempfile textwrap "
    "threading time traceback types typing unicodedata unittest unittest.mock urllib.parse uuid warnings xml.etree.ElementTree "
    "zlib zoneinfo"
)
"""Modules imported beforehand: a check then costs no reading, and their shared libraries need not be readable."""

LARGEST_JOB = 4 << 20
"""Bytes of code or tests."""


def standard_library() -> list[Path]:
    """Return the folders that hold Python's standard library and what it reads."""
    paths = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib"))]
    paths += [Path(p) for p in sys.path if p.endswith("lib-dynload")]
    zones = [Path("/usr/share/zoneinfo")]
    return list(dict.fromkeys(p.resolve() for p in [*paths, *zones] if p.is_dir()))


def _packages(library: Path) -> list[Path]:
    return [library / name for name in ("site-packages", "dist-packages")]


def serve(control: int) -> None:
    """Close this process in, tell what it is closed in by, and serve jobs until the other end is closed."""
    environ.clear()
    kernel.die_with_parent()
    kernel.hide_memory()
    channel = socket.socket(fileno=control)
    try:
        for name in IMPORTED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        os.close(os.pidfd_open(os.getpid()))
        layers = _enter(standard_library())
        ruleset, version = _rules(standard_library())
        layers += [f"landlock {version}"] if ruleset is not None else []
        layers.append("seccomp")
        if "user" not in layers and os.geteuid() == 0:
            _become_nobody()
        if fault := _try_out(ruleset):
            raise OSError(fault)
        if ruleset is None and "root" not in layers:
            raise OSError("neither Landlock nor a root directory of its own can keep files from the code")
    except (OSError, AttributeError) as error:
        channel.send(json.dumps({"error": str(error)}).encode())
        return
    gc.collect()
    gc.freeze()
    channel.send(json.dumps({"layers": layers}).encode())
    Server(channel, ruleset).run()


def _enter(library: list[Path]) -> list[str]:
    """Enter namespaces and a root directory, as far as the machine allows; return the names of what was entered."""
    layers = kernel.enter_namespaces()
    if "mount" in layers:
        try:
            kernel.enter_root(library, [p for path in library for p in _packages(path)])
            layers.append("root")
        except OSError:
            layers.remove("mount")
    if "pid" in layers and (child := os.fork()):  # the child is the first process of the new process ids
        os.closerange(3, 256)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    kernel.die_with_parent()
    return layers


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    kernel.hide_memory()  # both are forgotten when the user changes
    kernel.die_with_parent()


def _rules(library: list[Path]) -> tuple[int | None, int]:
    """Return Landlock's rules: the standard library without installed packages may be read."""
    version = kernel.landlock_version()
    if not version:
        return None, 0
    files: list[Path] = []
    for folder in library:
        hidden = {path.name for path in _packages(folder)}
        files += [entry for entry in sorted(folder.iterdir()) if entry.name not in hidden]
    return kernel.landlock_rules(files, library), version


def _try_out(ruleset: int | None) -> str:
    """Let a child break out of what it is closed in by; return what it could do, the empty string for nothing."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        found = "the process could not be closed in"
        try:
            kernel.seal(os.dup(ruleset) if ruleset is not None else None)
            found = next((what for what, attempt in _ATTEMPTS.items() if _succeeds(attempt)), "")
        except BaseException as error:
            found = f"{found}: {type(error).__name__}: {error}"
        os.write(writing, found.encode()[:500] or b"\0")
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1000)
    os.close(reading)
    os.waitpid(child, 0)
    return "" if said == b"\0" else said.decode() or "the process died while it was closed in"


_ATTEMPTS: dict[str, Callable[[], Any]] = {
    "the closed-in process can read /etc/passwd": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "the closed-in process can list /": lambda: os.open("/etc", os.O_RDONLY),
    "the closed-in process can write": lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT),
    "the closed-in process can open sockets": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "the closed-in process can start others": os.fork,
    "the closed-in process can send signals": lambda: os.kill(os.getppid(), 0),
}


def _succeeds(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


class _Job:
    def __init__(self, name: int, ends: float, processes: dict[int, int]):
        self.name, self.ends, self.processes = name, ends, processes
        """`processes`: pidfd -> process id; the examiner's comes first."""
        self.examiner = next(iter(processes))
        self.late = False
        self.status: dict[str, int] = {}


class Server:
    """Forks two processes for each job, ends them in time, and says how they ended."""

    def __init__(self, channel: socket.socket, ruleset: int | None):
        self.channel = channel
        self.ruleset = ruleset
        self.jobs: list[_Job] = []

    def run(self) -> None:
        """Serve until the other end of the channel is closed."""
        while True:
            waiting = [handle for job in self.jobs for handle in job.processes]
            ends = min((job.ends for job in self.jobs if not job.late), default=None)
            timeout = None if ends is None else max(0.0, ends - time.monotonic())
            ready, _, _ = select.select([self.channel, *waiting], [], [], timeout)
            for job in list(self.jobs):
                self._look_after(job, ready)
            if self.channel in ready:
                body, handles, _, _ = socket.recv_fds(self.channel, 4096, 3)
                if not body:
                    break
                self._start(json.loads(body), handles)
        for job in self.jobs:
            self._kill(job)

    def _look_after(self, job: _Job, ready: list[Any]) -> None:
        """Take note of processes that ended; end all when the examiner is done or the time is over."""
        if time.monotonic() >= job.ends and not job.late:
            job.late = True
            self._kill(job)
        for handle in [h for h in job.processes if h in ready]:
            status = os.waitstatus_to_exitcode(os.waitpid(job.processes.pop(handle), 0)[1])
            os.close(handle)
            job.status["examiner" if handle == job.examiner else "candidate"] = status
            if handle == job.examiner:
                self._kill(job)
        if not job.processes:
            self.jobs.remove(job)
            self.channel.send(json.dumps({"job": job.name, "late": job.late, "status": job.status}).encode())

    def _kill(self, job: _Job) -> None:
        for handle in job.processes:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)

    def _start(self, job: dict[str, Any], handles: list[int]) -> None:
        code, tests, verdict = handles
        to_candidate, to_examiner = os.pipe(), os.pipe()
        processes = {}
        for work, kept in (
            (
                lambda: _examine(tests, verdict, to_examiner[0], to_candidate[1], job),
                (tests, verdict, to_examiner[0], to_candidate[1]),
            ),
            (lambda: _be_examined(code, to_candidate[0], to_examiner[1]), (code, to_candidate[0], to_examiner[1])),
        ):
            if not (child := os.fork()):
                self._become(work, kept, job)
            processes[os.pidfd_open(child)] = child
        for handle in (*handles, *to_candidate, *to_examiner):
            os.close(handle)
        self.jobs.append(_Job(job["job"], time.monotonic() + job["seconds"], processes))

    def _become(self, work: Callable[[], None], kept: tuple[int, ...], job: dict[str, Any]) -> None:
        """Turn this child into one side of a job: nothing open but its own pipes, limited, closed in. Never returns."""
        try:
            ruleset = self.ruleset
            wanted = sorted({*kept, *([ruleset] if ruleset is not None else [])})
            for low, high in zip([2, *wanted], [*wanted, 4096], strict=True):
                os.closerange(low + 1, high)
            kernel.die_with_parent()
            kernel.hide_memory()
            limit = resource.setrlimit
            limit(resource.RLIMIT_CPU, (job["cpu"], job["cpu"] + 1))
            limit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
            limit(resource.RLIMIT_FSIZE, (0, 0))
            limit(resource.RLIMIT_CORE, (0, 0))
            limit(resource.RLIMIT_NOFILE, (128, 128))
            kernel.seal(ruleset)
            work()
        except BaseException:
            os._exit(3)
        os._exit(0)


def _read_all(handle: int) -> str:
    parts = []
    while part := os.read(handle, 1 << 16):
        parts.append(part)
    os.close(handle)
    return b"".join(parts).decode("utf-8", "surrogatepass")


def _be_examined(code: int, reading: int, writing: int) -> None:
    Candidate(reading, writing, _read_all(code)).run()


def _examine(tests: int, verdict: int, reading: int, writing: int, job: dict[str, Any]) -> None:
    said = Examiner(reading, writing).examine(_read_all(tests), job["entry_point"])
    os.write(verdict, json.dumps(said).encode("ascii")[:60_000])
