"""The program of a process that may be killed: compares formulas and searches patterns, which can take for ever.

It is started by its path and imports nothing of sftmill. A line of JSON comes in, a line goes out:
{"do": "same", "gold": ..., "answer": ...} or {"do": "search", "pattern": ..., "text": ...} -> {"is": true}.
"""

import json
import logging
import os
import re
import sys
import warnings
from typing import Any

MEMORY = 3 << 30
"""Bytes of address space; a computer algebra system takes a good part of one."""


def same(gold: str, answer: str) -> bool:
    """Tell whether math-verify takes two results for the same; raises ImportError where it is not installed."""
    from math_verify import parse, verify

    read = [parse(f"${text.strip().strip('$')}$", parsing_timeout=None) for text in (gold, answer)]
    return bool(read[0] and read[1] and verify(*read, timeout_seconds=None))


def search(pattern: str, text: str, whole: bool) -> bool:
    """Tell whether a pattern is in a text, or is the whole of it."""
    compiled = re.compile(pattern)
    return bool(compiled.fullmatch(text) if whole else compiled.search(text))


def do(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request."""
    try:
        if request["do"] == "same":
            return {"is": same(request["gold"], request["answer"])}
        return {"is": search(request["pattern"], request["text"], request["whole"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def main() -> None:
    """Serve until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library's messages must not come between the answers
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass
    for line in sys.stdin.buffer:
        out.write(json.dumps(do(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
