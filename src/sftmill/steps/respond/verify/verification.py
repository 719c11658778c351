"""Every verifier by its name, for the steps that check answers and for those that choose among them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from sftmill.core import Row
from sftmill.steps.own_code import load_function, names_code
from sftmill.steps.respond.verify.verdict import NO_ANSWER, Verdict
from sftmill.steps.respond.verify.verify_citations import verify_citations
from sftmill.steps.respond.verify.verify_code import verify_code
from sftmill.steps.respond.verify.verify_form import verify_json, verify_regex
from sftmill.steps.respond.verify.verify_math import verify_math
from sftmill.steps.respond.verify.verify_table import verify_table
from sftmill.steps.respond.verify.verify_values import verify_dates, verify_units

__all__ = ["KINDS", "NO_ANSWER", "Verdict", "check", "own_verifier"]

Verifier = Callable[..., Verdict]


def _gold(row: Row) -> str:
    return row.get("reference") or ""


def _math(row: Row, text: str, **settings: Any) -> Verdict:
    return verify_math(settings.get("gold") or _gold(row), text)


def _units(row: Row, text: str, **settings: Any) -> Verdict:
    return verify_units(text, settings.get("gold") or _gold(row))


def _json(row: Row, text: str, **settings: Any) -> Verdict:
    return verify_json(text, settings.get("schema") or "{}")


def _regex(row: Row, text: str, **settings: Any) -> Verdict:
    pattern = settings.get("pattern") or _gold(row)
    return (
        verify_regex(text, pattern, settings.get("whole", False)) if pattern else Verdict(None, "no pattern is given")
    )


def _citations(row: Row, text: str, **settings: Any) -> Verdict:
    title = row.get("title") or ""
    given = [(title, row.get("passage") or ""), (title, row.get("context") or ""), *settings.get("corpus", ())]
    return verify_citations(text, [(name, body) for name, body in given if body])


def _code(row: Row, text: str, **settings: Any) -> Verdict:
    return verify_code(text, row.get("tests") or "", row.get("entry_point") or "", settings.get("limits"))


KINDS: dict[str, Verifier] = {
    "math": _math,
    "units": _units,
    "json": _json,
    "regex": _regex,
    "table": lambda row, text, **settings: verify_table(text),
    "dates": lambda row, text, **settings: verify_dates(text),
    "citations": _citations,
    "code": _code,
}
"""Name -> function of a row, a text and settings: `gold`, `schema`, `pattern`, `whole`, `corpus`, `limits`."""


def check(kind: str, row: Row, text: str, **settings: Any) -> Verdict:
    """Return what a verifier says of a text that answers a row; the right answer is the row's `reference`.

    `kind` is one of KINDS, or a user's function, as file.py:function.

    `code` reads the row's `tests` and `entry_point`, `citations` its `passage` and `context`. May block for seconds:
    in an event loop, call it with `asyncio.to_thread`. Raises ValueError for a name that is none.
    """
    if names_code(kind):
        return own_verifier(load_function(kind), kind)(row, text)
    if kind not in KINDS:
        raise ValueError(f"no verifier {kind!r}; there are {', '.join(KINDS)}, or file.py:function")
    return KINDS[kind](row, text, **settings)


def own_verifier(function: Callable[[Row, str], Any], file: Path | str) -> Verifier:
    """Make a verifier of a user's function of a row and a text that returns whether, or (whether, why).

    It gets a copy of the row. RuntimeError tells what it raised, TypeError that it returned something else.
    """

    def verify(row: Row, text: str, **settings: Any) -> Verdict:
        try:
            said = function(deepcopy(row), text)
        except (Exception, SystemExit) as error:
            raise RuntimeError(
                f"the verifier {file} raised {type(error).__name__}: {error}; mend it, then run again"
            ) from error
        pair = said if isinstance(said, tuple) else (said, "")
        ok, why = pair if len(pair) == 2 else (said, "")
        ok = ok.item() if hasattr(ok, "item") else ok  # numpy's own truth values
        if not (ok is None or isinstance(ok, bool)) or not isinstance(why, str):
            raise TypeError(
                f"the verifier {file} returned {str(said)[:100]!r}; it must return True, False or None (cannot tell), "
                "or one of these and a reason, as in (False, 'no unit')"
            )
        return Verdict(ok, why or ("" if ok else "refused by the recipe's own verifier"))

    return verify
