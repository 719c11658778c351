"""Conditions on rows, as recipes write them: `lang == "zh" and length(answer) > 20`.

A small part of Python's expression syntax, checked node by node: comparisons, and/or/not,
columns, constants, lists, and the functions below. Nothing else can be called or reached.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

from sftmill.columns import is_column
from sftmill.core import Row, view
from sftmill.errors import RecipeError
from sftmill.text import length

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}

FUNCTIONS: dict[str, str] = {
    "length": "length of a text in characters (zh) or words (en), or of a list in items",
    "contains": "contains(text, piece): whether the piece occurs in the text or the list",
    "missing": "missing(column): whether the row has no value there",
}


class Condition:
    """A condition that was checked when it was made; call it with a row.

    A comparison with a missing value is false, so `score > 0.5` does not hold for rows without a score.
    """

    def __init__(self, text: str):
        self.text = text
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "msg", error)
            raise RecipeError(f"condition {text!r} cannot be read: {reason}") from error
        self.columns: set[str] = set()
        self._check(self.tree)

    def __call__(self, row: Row) -> bool:
        return bool(self._value(self.tree, row))

    def _check(self, node: ast.AST) -> None:
        """Refuse everything that is not part of the small language."""
        match node:
            case ast.BoolOp(values=parts):
                pass
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
                parts = [part]
            case ast.Compare(left=left, ops=kinds, comparators=others) if all(type(k) in COMPARISONS for k in kinds):
                parts = [left, *others]
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                pass
            case ast.Constant(value=str() | int() | float() | bool() | None):
                parts = []
            case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in FUNCTIONS:
                expected = 2 if name == "contains" else 1
                if len(parts) != expected:
                    raise RecipeError(f"condition {self.text!r}: {name}() takes {expected} values, not {len(parts)}")
            case ast.Name(id=name):
                if not is_column(name):
                    raise RecipeError(f"condition {self.text!r}: {name!r} is no column")
                self.columns.add(name)
                parts = []
            case _:
                raise RecipeError(
                    f"condition {self.text!r}: {ast.unparse(node)!r} is not allowed; use columns, constants, "
                    f"comparisons, and, or, not, in, {', '.join(f'{name}()' for name in FUNCTIONS)}"
                )
        for part in parts:
            self._check(part)

    def _value(self, node: ast.AST, row: Row) -> Any:
        """Evaluate a checked node."""
        match node:
            case ast.BoolOp(op=kind, values=parts):
                results = (self._value(part, row) for part in parts)
                return all(results) if isinstance(kind, ast.And) else any(results)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not self._value(part, row)
            case ast.UnaryOp(operand=part):
                return -self._value(part, row)
            case ast.Compare(left=left, ops=kinds, comparators=others):
                values = [self._value(part, row) for part in (left, *others)]
                return all(compare(type(k), a, b) for k, a, b in zip(kinds, values, values[1:], strict=False))
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self._value(part, row) for part in parts]
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return view(row, name)
            case ast.Call(func=ast.Name(id=name), args=parts):
                values = [self._value(part, row) for part in parts]
                if name == "missing":
                    return values[0] is None or values[0] == "" or values[0] == []
                if name == "contains":
                    return values[0] is not None and values[1] in values[0]
                return length(values[0], row["lang"]) if isinstance(values[0], str) else len(values[0] or [])
        raise AssertionError(f"unchecked node {node!r}")


def compare(kind: type[ast.cmpop], left: Any, right: Any) -> bool:
    """Compare two values; a missing one compares equal only to None."""
    if kind not in (ast.Eq, ast.NotEq) and (left is None or right is None):
        return False
    return COMPARISONS[kind](left, right)
