"""The program of a worker process: takes batches of rows, walks them through row steps, sends back what came of it.

It is started as `python -m sftmill.flow.worker` with pickles framed by an 8-byte length on
standard input and output. The parent is trusted; the documents that the steps parse are not,
which is why they are parsed here, without keys in the environment and within limits.
"""

import gc
import os
import pickle
import struct
import sys
from typing import BinaryIO

from sftmill.flow.walk import walk

FRAME = struct.Struct(">Q")


def limit_memory(size: int) -> None:
    """Let this process have at most `size` bytes of address space, where the system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, ValueError, OSError):
        pass


def receive(stream: BinaryIO) -> object | None:
    """Read one framed pickle, or None when the parent is gone."""
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    return pickle.loads(stream.read(FRAME.unpack(head)[0]))


def main() -> None:
    """Serve until standard input ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints must not end up between the frames
    requests = sys.stdin.buffer
    steps = []
    while (message := receive(requests)) is not None:
        kind, body = message
        if kind == "steps":
            from sftmill.flow.packing import unpack_steps

            memory, packed = body
            limit_memory(memory)
            steps = unpack_steps(packed)
            gc.freeze()  # what was imported stays; rows are many small objects that die soon
            gc.set_threshold(100_000, 50, 100)
            continue
        first, last, rows = body
        chosen = [s for s in steps if first <= s[0] < last]
        answer = pickle.dumps([walk(chosen, row, place) for place, row in rows], protocol=5)
        answers.write(FRAME.pack(len(answer)))
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    main()
