"""The process that serves a model; started by `local.serve` and gone when its starter is gone.

It reads one line of JSON from stdin, loads the model, answers with one line of JSON on stdout, and then
only waits for stdin to close. Everything else that is written goes to the log, which is its stderr.
"""

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

WATCH = 1.0
"""Seconds between two looks at whether the starter is still there."""


def die_with_parent(sign: int) -> None:
    """Ask Linux to send `sign` when the starting thread ends; 0 takes it back. Elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, sign)  # 1 = PR_SET_PDEATHSIG, prctl(2)


def parameters(settings: dict[str, Any]) -> Any:
    """Turn the starter's settings into those of llama.cpp's server."""
    import xllamacpp

    server = xllamacpp.CommonParams()
    server.model.path = settings["file"]
    server.model_alias = {settings["model"]}
    server.hostnames = ["127.0.0.1"]
    server.port = settings["port"]
    server.n_parallel = settings["slots"]
    server.n_ctx = settings["context"] * settings["slots"]  # llama.cpp divides it among the slots
    for cores in (server.cpuparams, server.cpuparams_batch):
        cores.poll = 0  # waiting threads sleep instead of taking the cores that others need
    server.cpuparams.n_threads = settings["threads"]
    server.cpuparams_batch.n_threads = settings["prompt_threads"]
    server.n_threads_http = settings["connections"]
    server.cache_ram_mib = 256
    server.verbosity = 1  # errors only: at the usual 3 every request writes about 700 bytes
    server.ui = False
    server.endpoint_slots = False  # it would show every prompt to any process of this machine
    server.cors_origins = "http://127.0.0.1"  # by default any page in a browser may call it
    server.cors_credentials = False
    return server


def main() -> NoReturn:
    """Serve until stdin closes or the starter is gone."""
    settings = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints belongs to the log
    # Loading holds Python's lock, so only the kernel can end it; afterwards the thread that started this
    # process may end while the process is still wanted, so the loop below watches instead.
    die_with_parent(signal.SIGKILL)
    if os.getppid() != settings["parent"]:
        os._exit(0)
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(settings))
    except RuntimeError:  # it says no more than that it failed; the log has the reason
        sys.exit(1)  # in order, because the library writes its log from a thread
    die_with_parent(0)
    print(json.dumps({"address": server.listening_address}), file=answers, flush=True)
    while os.getppid() == settings["parent"]:
        readable, _, _ = select.select([0], [], [], WATCH)
        if readable and not os.read(0, 1):
            break
    if settings["passing_log"]:  # nothing went wrong, so nobody will look for it
        with contextlib.suppress(OSError):
            os.unlink(settings["passing_log"])
    os._exit(0)  # the library's orderly end would first wait for requests that nobody reads any more


if __name__ == "__main__":
    main()
