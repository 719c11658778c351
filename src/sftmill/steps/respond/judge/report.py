"""A step's look at what `sftmill judge check` found: a judge that fell below its floor judges nothing."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from sftmill.core import Desk
from sftmill.errors import RunStopped

COMMAND = "sftmill judge check RECIPE PAIRS.jsonl --report"


def report_problems(check: Path | None, roles: tuple[str, ...]) -> list[str]:
    """Return why a report forbids these judges to judge: it is not there, is about others, or found them too poor."""
    if check is None:
        return []
    try:
        report = read_report(check)
    except (OSError, ValueError) as error:
        return [f"check: {check} cannot be read ({error}); make it with `{COMMAND} {check}`"]
    known = report.get("judges")
    if not isinstance(known, dict) or not isinstance(report.get("passed"), bool):
        return [f"check: {check} is no report on a judge; make it with `{COMMAND} {check}`"]
    found = [
        f"check: {check} is about {', '.join(known)}, not about the role {role!r}; check that one"
        for role in roles
        if role not in known
    ]
    if not report["passed"]:
        why = "; ".join(str(line) for line in report.get("short") or ["no reason given"])
        found.append(f"check: {check}: the judge is below its floor ({why}); take a better judge, then check again")
    return found


def refuse_other_model(check: Path | None, desk: Desk, roles: tuple[str, ...]) -> None:
    """Raise RunStopped where the model that judges is not the one that was checked."""
    if check is None:
        return
    known = read_report(check)["judges"]
    for role in roles:
        if known.get(role) not in (None, "", desk.model(role)):
            raise RunStopped(
                f"{check} was made with the model {known[role]!r} as {role!r}, which is now {desk.model(role)!r}; "
                f"check the judge again with `{COMMAND} {check}`"
            )


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> dict[str, Any]:
    report = orjson.loads(path.read_bytes())
    if not isinstance(report, dict):
        raise ValueError("it is no JSON object")
    return report


def read_report(path: Path) -> dict[str, Any]:
    """Read a report; raises OSError or ValueError."""
    return _read(path, path.stat().st_mtime_ns)
