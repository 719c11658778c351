"""`sftmill doctor`: what this machine and the recipe's endpoints can do, and what each missing thing would cost."""

import importlib.util
import platform
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from sftmill.core import Sampling
from sftmill.errors import LedgerError, ModelError, SftmillError
from sftmill.models.desk import Models

LITTLE_DISK = 5 << 30
"""Bytes; a million samples with their ledger take 4 to 10 GB."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    mark: str
    """"ok", "note" or "missing"."""
    what: str
    found: str
    remedy: str = ""


class Probe(BaseModel):
    """A structured answer, to see whether the server can give one."""

    word: str


def examine(recipe: Path | None, changes: list[str] | None = None) -> list[Finding]:
    """Look at this machine and, with a recipe, ask each endpoint a handful of tiny questions."""
    findings = machine()
    if recipe is not None:
        from sftmill.recipe_reader import load_recipe
        from sftmill.run import run_loop

        loaded = load_recipe(recipe, changes)
        findings += run_loop(endpoints(loaded.models))
    return findings


def machine() -> list[Finding]:
    """Look at Python, the disk, SQLite and the extras."""
    from sftmill.models.ledger_file import refuse_network_file_system

    version = platform.python_version()
    fits = (3, 11) <= sys.version_info < (3, 14)
    free = shutil.disk_usage(".").free
    try:
        refuse_network_file_system(Path("runs").absolute(), Path("/proc/self/mountinfo"))
        ledger = Finding("ok", "ledger", f"runs/ lies on a local disk, SQLite {sqlite3.sqlite_version}")
    except LedgerError as error:
        ledger = Finding("missing", "ledger", str(error), "name a local path under `ledger:` in the recipe")
    findings = [
        Finding("ok" if fits else "missing", "Python", version, "" if fits else "use Python 3.11 to 3.13"),
        Finding(
            "ok" if free > LITTLE_DISK else "note",
            "disk",
            f"{free / 2**30:.1f} GiB free here",
            "" if free > LITTLE_DISK else "a million samples with their ledger take 4 to 10 GiB",
        ),
        ledger,
    ]
    extras = {
        "xllamacpp": ("local", "no embedded models; endpoints work"),
        "daft": ("scale", "no frames for whole-data steps of your own"),
    }
    for module, (extra, cost) in extras.items():
        there = importlib.util.find_spec(module) is not None
        remedy = "" if there else f"without it: {cost}; pip install 'sftmill[{extra}]'"
        findings.append(
            Finding("ok" if there else "note", f"extra {extra}", "installed" if there else "not installed", remedy)
        )
    return findings


async def endpoints(settings: dict[str, Any]) -> list[Finding]:
    """Ask each role for a greeting, a structured answer, two samples, a continuation and log-probabilities."""
    import tempfile

    from sftmill.models.budget import Budget
    from sftmill.models.ledger import Ledger
    from sftmill.models.settings import BudgetSettings

    findings = []
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "doctor.sqlite") as ledger:
        for role, chosen in settings.items():
            quick = chosen.model_copy(update={"patience": 5.0, "timeout": min(chosen.timeout, 120.0)})
            models = Models({role: quick}, ledger, Budget(BudgetSettings(), {}))
            try:
                await models.start()
                findings += await _role(models, role)
            except SftmillError as error:
                findings.append(Finding("missing", role, str(error), "start the server, or correct the recipe"))
            finally:
                await models.close()
    return findings


async def _role(models: Models, role: str) -> list[Finding]:
    """Try what steps may need of one role."""
    desk = models.desk("doctor", None, {"id": "doctor", "sensitivity": "public", "lang": "en"}, "doctor")
    short = Sampling(temperature=0.0, max_tokens=16, keep_truncated=True)
    drawn = Sampling(temperature=1.0, max_tokens=16, keep_truncated=True)
    structured = Sampling(temperature=0.0, max_tokens=256)
    tries = {
        "chat": (desk.ask("Say hello.", to=role, sampling=short), "this role cannot be used"),
        "structured answers": (
            desk.ask("Give one word.", to=role, schema=Probe, sampling=structured),
            "selfqa will drop many answers as unparsable",
        ),
        "several samples": (
            desk.ask("Say a number.", to=role, n=2, sampling=drawn),
            "best-of-N pays each prompt N times",
        ),
        "raw continuation": (desk.complete("Once upon a", to=role, sampling=short), "Magpie cannot use this role"),
        "log-probabilities": (
            desk.ask("Say yes.", to=role, sampling=short.model_copy(update={"logprobs": 1})),
            "no probability-weighted judging",
        ),
    }
    findings = []
    for what, (attempt, cost) in tries.items():
        try:
            replies = await attempt
        except (ModelError, LedgerError) as error:
            findings.append(
                Finding("missing" if what == "chat" else "note", f"{role}: {what}", str(error), f"without it: {cost}")
            )
            continue
        if what == "log-probabilities" and not replies[0].logprobs:
            findings.append(Finding("note", f"{role}: {what}", "not given", f"without it: {cost}"))
            continue
        thinks = " (a thinking model)" if what == "chat" and replies[0].reasoning else ""
        findings.append(Finding("ok", f"{role}: {what}", f"{replies[0].model or 'answered'}{thinks}"))
    return findings
