"""Which roles wrote the answers that a step finds, and which of a step's own judge them."""

from collections.abc import Iterable

from sftmill.core import Step, named_roles

WRITING = ("to", "to_weak")
"""Settings that name the roles which write an answer, unless the step says that they judge."""
LATER = ("to_reviser",)
"""The same for what is written after the step's judge has judged."""


def judging_roles(step: Step) -> tuple[str, ...]:
    """Return the roles that judge in this step."""
    return tuple(dict.fromkeys(_named(step, type(step).judging)))


def judged_authors(step: Step, before: frozenset[str]) -> frozenset[str]:
    """Return the roles whose answers a step judges; `before` are the authors of the rows that come to it."""
    own = frozenset(_writers(step, WRITING))
    generator = getattr(step, "generator", None)
    own |= {generator} if generator else frozenset()
    return own if _anew(step) and own else before | own


def authors(step: Step, before: frozenset[str]) -> frozenset[str]:
    """Return the roles that wrote the answers and candidates of the rows behind a step.

    `before` are those of the rows that come to it. A step that answers anew takes their place; one that revises or
    adds comes to them.
    """
    writes, fields = set(type(step).writes), type(step).model_fields
    own = frozenset(_writers(step, (*WRITING, *LATER)))
    if not own or not writes & {"messages", "answer", "candidates"}:
        return before
    if writes & {"question", "method"} and "answer" not in writes and "to_answer" not in fields:
        return before  # it writes the instruction alone
    return own if _anew(step) else before | own


def _anew(step: Step) -> bool:
    """Tell whether the answers of a step take the place of those before."""
    writes = set(type(step).writes)
    if "candidates" in writes:
        return "candidates" not in type(step).reads
    return "answer" in writes or ("reasoning" in writes and not type(step).judging)


def _writers(step: Step, settings: Iterable[str]) -> Iterable[str]:
    """Return the roles that write in a step: its `to_answer` alone, where it has one."""
    fields = type(step).model_fields
    names = ("to_answer",) if "to_answer" in fields else settings
    return _named(step, [name for name in names if name in fields and name not in type(step).judging])


def may_judge_own(step: Step) -> bool:
    """Tell whether the recipe says that a judge may be the model that wrote."""
    fields = type(step).model_fields
    return bool(getattr(step, "own_answers", False)) or ("generator" in fields and step.generator is None)


def how_to_allow(step: Step, judge: str, writer: str) -> str:
    """Return the setting with which a recipe says so, for a message; empty where naming one role twice says it."""
    fields = type(step).model_fields
    for name, value in (("own_answers", "true"), ("generator", "null")):
        if name in fields:
            return f"{name}: {value}"
    if judge == writer:
        return ""
    setting = next(name for name in type(step).judging if judge in _named(step, (name,)))
    return f"{setting}: {writer}"


def _named(step: Step, settings: Iterable[str]) -> Iterable[str]:
    for name in settings:
        yield from named_roles(getattr(step, name))
