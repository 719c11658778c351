"""The embedded model: llama.cpp's server in a process of its own, at an address of this machine alone.

    with serve("qwen2.5-coder-0.5b-instruct") as server:
        print(server.url)               # http://127.0.0.1:40881/v1

A process of its own keeps a crash of the library and its hold on Python's lock away from the run. It ends
with the run, however that ends: it watches a pipe that only the starter holds open.

Measured on 2 cores of a Xeon with Qwen2.5-Coder-0.5B Q4_K_M: loaded in 1.4 to 2 s; 25, 51 and 61 tokens/s
with 1, 4 and 8 requests at once and 2 threads on the idle machine; 12 to 29 tokens/s with 1 or 4 while other
work kept the cores busy (load 4 to 5). Memory with 4 slots of 2048 to 4096 tokens: 0.8 to 1.0 GB, of which
the 0.47 GB of weights are mapped from the file. SmolLM2-135M on the busy machine: 37 to 52 tokens/s, 0.5 GB.
"""

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import weakref
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sftmill.errors import ModelFileError, RunError
from sftmill.machine import usable_cores
from sftmill.models.model_files import CACHE, MODELS, find, look_up, weights_hash

PATIENCE = 300.0
"""Seconds that a model may take to load; 0.5 billion parameters take about 2 on an idle machine."""
CONTEXT = 4096
"""Tokens of prompt and answer together, for each request."""
CONNECTIONS = 64
"""Requests that the server holds at once; those beyond its slots wait in its queue."""
GRACE = 5.0
"""Seconds that the server has to end after its pipe is closed, before it is killed."""
QUIET_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""Given to the server: threads that wait for each other sleep, which `poll` alone does not achieve.

Spinning, 2 threads on 2 busy cores gave 5 tokens/s where sleeping ones gave 26 (one request, load 3 to 4).
"""
CHILD = (sys.executable, "-P", "-m", "sftmill.models.local_child")
"""The command that serves; -P keeps the current folder from being imported from."""


class LocalServer:
    """A running server: `url` is its base URL ending in /v1, `model` its model's name there.

    `revision` is the SHA-256 of the weights, `context` the tokens that one request may use, `slots` the
    requests that are worked on at once, `log` the file that llama.cpp writes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, *, keep_log: bool, model: str, revision: str,
                 context: int, slots: int, threads: int):  # fmt: skip
        self.url = ""
        self.model = model
        self.revision = revision
        self.context = context
        self.slots = slots
        self.threads = threads
        self.log = log
        self._process = process
        self._keep_log = keep_log
        self._closing = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, process, os.getpid())

    @property
    def pid(self) -> int:
        """Number of the process that serves."""
        return self._process.pid

    def check(self) -> None:
        """Raise RunError with the last lines of the log where the server has died."""
        code = self._process.poll()
        if code is not None and self._finalizer.alive:
            raise RunError(self._obituary(code))

    def close(self) -> None:
        """End the server; calling it again does nothing."""
        with self._closing:
            if not self._finalizer.alive:
                return
            died = self._process.poll() is not None
            self._finalizer()
            if not self._keep_log and not died:
                self.log.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()

    def _obituary(self, code: int) -> str:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        last = "\n".join(f"    {line}" for line in _last_lines(self.log)) or "    (its log is empty)"
        if code == -signal.SIGKILL:
            remedy = "The system may be out of memory: give fewer slots or a smaller context, or a smaller model"
        elif code == -signal.SIGILL:
            remedy = "This processor lacks instructions that the installed xllamacpp uses: install it from source"
        elif "couldn't bind" in last:
            remedy = "The port is taken: give another one, or 0 for any that is free"
        elif "gguf" in last or "unknown model architecture" in last:
            remedy = "The installed xllamacpp cannot read this file: is it a complete GGUF, of a known architecture?"
        else:
            remedy = "If memory is short, give fewer slots or a smaller context; else report the log"
        return f"the local server of {self.model} {how}. Its log, {self.log}, ends with:\n{last}\n{remedy}"

    def _wait_until_ready(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        answer = _read_line(self._process, deadline)
        if answer is None:
            if (code := self._process.poll()) is not None:
                raise RunError(self._obituary(code))
            raise RunError(
                f"{self.model} was not loaded within {patience:g} s (log: {self.log}). "
                "Is the machine overloaded, or the disk slow? Give it more time, or take a smaller model"
            )
        address = json.loads(answer)["address"]
        _wait_for_health(address, deadline, self)
        self.url = f"{address}/v1"


def serve(
    model: str | Path,
    *,
    threads: int | None = None,
    slots: int = 4,
    context: int = CONTEXT,
    port: int = 0,
    path: str | Path | None = None,
    cache: str | Path = CACHE,
    log: str | Path | None = None,
    patience: float = PATIENCE,
) -> LocalServer:
    """Start the server of an embedded model, or of a user's own .gguf file, and wait until it answers.

    `model` is a name of `sftmill model list`, whose file is checked against its SHA-256 first (`path` says
    where it lies, if not in the cache), or the path of any .gguf file. `context` tokens are there for each
    of `slots` requests. `port` 0 takes a free one. Without `log`, the log is a temporary file that is kept
    only where the server died. `threads` generate; left out, one core stays free (`choose_threads`).

    Raises ModelFileError where the file is missing or wrong, RunError where the server does not start.
    """
    if slots < 1 or context < 1 or (threads is not None and threads < 1):
        raise RunError(f"slots={slots}, context={context}, threads={threads}: each must be at least 1")
    require_runtime()
    name, file = _resolve(model, path, cache)
    known = MODELS.get(name)
    if known is not None and context > known.context:
        raise RunError(f"context={context}, but {name} was trained for {known.context} tokens. Give at most that")
    revision = known.sha256 if known is not None else weights_hash(file, cache=cache)
    generating, reading = choose_threads() if threads is None else (threads, threads)
    settings = {
        "file": str(file.resolve()),
        "model": name,
        "parent": os.getpid(),
        "port": port,
        "slots": slots,
        "context": context,
        "threads": generating,
        "prompt_threads": reading,
        "connections": CONNECTIONS,
    }
    log_path, log_stream = _open_log(log, name)
    settings["passing_log"] = "" if log is not None else str(log_path)
    with log_stream:
        process = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_stream,
            env={**os.environ, **QUIET_THREADS},
            start_new_session=True,  # Ctrl-C is for the run, which closes the server once its calls have ended
        )
    server = LocalServer(process, log_path, keep_log=log is not None, model=name, revision=revision,
                         context=context, slots=slots, threads=generating)  # fmt: skip
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        server._wait_until_ready(patience)
    except BaseException as error:
        process.kill()  # while it loads, it hears nothing else
        server._finalizer()
        if log is None and not isinstance(error, RunError):  # else the message names the log
            log_path.unlink(missing_ok=True)
        raise
    return server


def require_runtime() -> None:
    """Raise RunError with the command that installs it where the library that serves is missing."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise RunError("local models need the package xllamacpp. Run: pip install 'sftmill[local]'")


def _resolve(model: str | Path, path: str | Path | None, cache: str | Path) -> tuple[str, Path]:
    """Give the name under which the model is served, and its file, verified where it is a pinned one."""
    if str(model) not in MODELS and str(model).endswith(".gguf"):
        file = Path(model).expanduser()
        if not file.is_file():
            raise ModelFileError(f"{file} is not a file. Give the path of a .gguf file, or see `sftmill model list`")
        with file.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise ModelFileError(f"{file} does not begin like a GGUF file. Was it downloaded completely?")
        return file.stem, file
    entry = look_up(str(model))
    file = find(entry.name, cache=cache, path=path)
    if file is None:
        raise ModelFileError(
            f"the file of {entry.name} is not in {Path(cache).expanduser()}. Run `sftmill model fetch {entry.name}`"
        )
    return entry.name, file


def choose_threads() -> tuple[int, int]:
    """Give the threads that generate and those that read prompts, from the cores that this process may use."""
    cores = usable_cores()
    return max(1, cores - 1), cores


def _open_log(log: str | Path | None, name: str) -> tuple[Path, IO[bytes]]:
    try:
        if log is None:
            number, path = tempfile.mkstemp(prefix=f"sftmill-{name}-", suffix=".log")
            return Path(path), os.fdopen(number, "wb")
        path = Path(log).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        return path, path.open("ab")
    except OSError as error:
        raise RunError(f"the log of the local server cannot be written: {error}. Give another file") from error


def _read_line(process: subprocess.Popen[bytes], deadline: float) -> bytes | None:
    """Give the first line that the process writes, None where it ends or the time is up before that."""
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            block = os.read(process.stdout.fileno(), 4096)
            line += block
            if line.endswith(b"\n"):
                return line
            if not block:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE)  # it closed its end, so it is about to be gone
                return None
    return None


def _wait_for_health(address: str, deadline: float, server: LocalServer) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback goes through no proxy
    while True:
        try:
            with opener.open(f"{address}/health", timeout=10):
                return
        except (OSError, urllib.error.URLError) as error:
            server.check()
            if time.monotonic() > deadline:
                raise RunError(f"the local server of {server.model} does not answer: {error}. "
                               f"Its log is {server.log}") from error  # fmt: skip
            time.sleep(0.05)


def _last_lines(log: Path, count: int = 12) -> list[str]:
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 8192))
        return stream.read().decode("utf-8", errors="replace").splitlines()[-count:]
    return []


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the process: by its pipe, by SIGTERM after `GRACE` seconds, at last by SIGKILL."""
    if os.getpid() != owner:  # a fork of the owner ends; the server is not its own
        return
    with contextlib.suppress(OSError):
        process.stdin.close()
    for step in (None, process.terminate, process.kill):
        if step is not None:
            step()
        try:
            process.wait(GRACE)
            break
        except subprocess.TimeoutExpired:
            continue
    process.stdout.close()
