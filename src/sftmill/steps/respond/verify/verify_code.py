"""Whether code passes its unit tests, run in a sandbox."""

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sftmill.machine import usable_cores
from sftmill.sandbox import Limits, Sandbox
from sftmill.steps.respond.verify.verdict import NO_ANSWER, Verdict
from sftmill.text.lazy import lazy_pattern

_FENCED = lazy_pattern(r"^[ \t]*(```+|~~~+)[ \t]*([A-Za-z0-9+_.-]{0,20})[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", 16 | 8)
_PYTHON = frozenset(("", "python", "python3", "py", "py3"))
_DEFINES = lazy_pattern(r"^(?:def|class|async def|import|from|@|print\(|[A-Za-z_]\w*\s*=|for |while |if )", 8)


def code_of(text: str) -> str:
    """Return the Python code of an answer: its fenced blocks one after the other, or all of it where it is code."""
    blocks = [m[3] for m in _FENCED.finditer(text) if m[2].lower() in _PYTHON]
    if blocks:
        return "\n\n".join(blocks)
    if "```" in text:  # cut off before its fence is closed, or another language
        _, _, rest = text.partition("```")
        name, _, body = rest.partition("\n")
        return body if name.strip().lower() in _PYTHON else ""
    return text if _DEFINES.search(text) else ""


def verify_code(text: str, tests: str, entry_point: str = "", limits: Limits | None = None) -> Verdict:
    """Run the code of an answer against its tests; raises SandboxUnavailable where the machine offers no sandbox."""
    if not tests.strip():
        return Verdict(None, "there are no tests")
    code = code_of(text)
    if not code.strip():
        return Verdict(False, NO_ANSWER)
    with _sandbox() as sandbox:
        outcome = sandbox.check(code, tests, entry_point, limits)
    return Verdict(outcome.ok, outcome.why)


_FREE: list[Sandbox] = []
_LOCK = threading.Lock()
_SLOTS = threading.BoundedSemaphore(usable_cores())


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    """Lend a sandbox, at most one a core; they are kept for the next check, and end with this process."""
    with _SLOTS:
        with _LOCK:
            sandbox = _FREE.pop() if _FREE else Sandbox()
        try:
            yield sandbox
        finally:
            with _LOCK:
                _FREE.append(sandbox)


@atexit.register
def _close_all() -> None:
    """End the sandboxes that wait for the next check."""
    with _LOCK:
        while _FREE:
            _FREE.pop().close()
