"""Programs run as users run them, with the CPU seconds and the memory of all their processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from common import CannotMeasure

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Usage:
    """What a program took, its child processes included."""

    status: int
    """Exit status; minus the signal's number when it was killed."""
    started: float
    """Unix time at which the command was given."""
    seconds: float
    cpu: float
    """User and system seconds, start-up included."""
    peak_main: float
    """Megabytes (10^6 bytes) of the main process at its peak, as the kernel counts it (RSS, shared pages included)."""
    peak_tree: float
    """Megabytes of all processes together at the peak seen, shared pages counted once (PSS)."""
    output: str
    errors: str


def sftmill() -> list[str]:
    """Return the command of the installation that this Python belongs to; raises CannotMeasure."""
    script = Path(sys.executable).parent / "sftmill"
    if not script.is_file():
        raise CannotMeasure(f"{script} is not there; run `make setup`, and this with .venv/bin/python")
    return [str(script)]


class Program:
    """A program under measurement; its output goes to files in `folder`."""

    def __init__(self, command: list[str], folder: Path, name: str = "program", every: float = 0.1):
        self.folder = folder
        self.every = every
        self.files = [folder / f"{name}.{kind}.txt" for kind in ("out", "err")]
        self.peaks: dict[str, float] = {"tree": 0.0}
        self.course: list[tuple[float, float]] = []
        """(Unix time, megabytes of the tree)"""
        self.ended = threading.Event()
        with open(self.files[0], "wb") as out, open(self.files[1], "wb") as errors:
            self.started = time.time()
            self.begin = time.monotonic()
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    @property
    def pid(self) -> int:
        """Number of the main process."""
        return self.process.pid

    def running(self) -> bool:
        """Tell whether it has not ended yet, without taking its figures away."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        """Kill the main process with signal 9."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, most: float = 600.0) -> Usage:
        """Wait for the end and return what it took; a program that takes longer than `most` seconds is killed."""
        timer = threading.Timer(most, self.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(self.pid, 0)
        finally:
            timer.cancel()
        seconds = time.monotonic() - self.begin
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended.set()
        self.watcher.join()
        main = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        out, errors = (file.read_text("utf-8", "replace") for file in self.files)
        return Usage(
            self.process.returncode,
            self.started,
            seconds,
            usage.ru_utime + usage.ru_stime,
            main,
            self.peaks["tree"],
            out,
            errors,
        )

    def _watch(self) -> None:
        while not self.ended.wait(self.every):
            size = sum(memory_of(pid) for pid in tree(self.pid)) / 1e6
            self.course.append((time.time(), size))
            self.peaks["tree"] = max(self.peaks["tree"], size)


def tree(root: int) -> list[int]:
    """Return a process and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def memory_of(pid: int) -> int:
    """Return the bytes of a process with shared pages divided among those who share them (PSS), else its RSS."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def run(command: list[str], folder: Path, name: str = "program", most: float = 600.0, every: float = 0.1) -> Usage:
    """Run a program to its end and return what it took."""
    return Program(command, folder, name, every).wait(most)
