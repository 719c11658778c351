"""Runs the code of answers against unit tests, where it can do no harm."""

from functools import lru_cache
from typing import ClassVar

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answer
from sftmill.sandbox import Limits, why_unavailable
from sftmill.steps.respond.verify.verification import NO_ANSWER
from sftmill.steps.respond.verify.verify_code import verify_code


class VerifyCode(RowStep):
    """Runs the Python code of the answer against the row's `tests`, and drops what does not pass.

    `tests` is Python (asserts, `check(candidate)`, test functions without arguments, unittest classes) or, for a
    program that reads and prints, JSON: a list of {"input", "output"}. The code runs apart from the tests, without
    network, files, other processes or an environment; it can read Python's standard library, nothing else. Works on
    Linux with seccomp and with Landlock or user namespaces; elsewhere `plan` refuses. What is random has the same
    seed of hashes each time; `runs` finds what passes by luck.
    Drops: `wrong_answer`, `no_answer`, `cannot_tell` (no tests, or tests that are at fault).
    """

    reads: ClassVar[tuple[str, ...]] = ("answer", "tests")
    may_read: ClassVar[tuple[str, ...]] = ("entry_point",)
    writes: ClassVar[tuple[str, ...]] = ("verified",)

    seconds: int = Field(5, ge=1, le=600)
    """Processor time of the code, and of the tests."""
    patience: float = Field(15.0, gt=0, le=3600)
    """Seconds by the clock, for code that waits."""
    memory: int = Field(1024, ge=256, le=65536)
    """MiB of address space."""
    runs: int = Field(1, ge=1, le=10)
    """Times that the tests must pass, one after the other."""
    keep: bool = False
    """Whether wrong answers stay, with `verified` false, instead of being dropped."""

    def problems(self) -> list[str]:
        """Return why code cannot be run safely here."""
        reason = _reason()
        return [f"{reason}. Run this recipe on Linux 5.13 or newer, outside gVisor"] if reason else []

    def row(self, row: Row) -> Row:
        """Return the row with `verified`, or drop it."""
        limits = Limits(self.seconds, self.patience, self.memory << 20)
        for _ in range(self.runs):
            verdict = verify_code(answer(row), row.get("tests") or "", row.get("entry_point") or "", limits)
            if verdict.ok is None:
                raise Drop("cannot_tell", why=verdict.why)
            if not verdict.ok and self.keep:
                return {**row, "verified": False}
            if not verdict.ok:
                raise Drop("no_answer") if verdict.why == NO_ANSWER else Drop("wrong_answer", why=verdict.why)
        return {**row, "verified": True}


@lru_cache(maxsize=1)
def _reason() -> str:
    return why_unavailable()
