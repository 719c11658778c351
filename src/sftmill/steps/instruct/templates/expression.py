"""Arithmetic written in a file by people: decimal, checked node by node, with no way to reach anything else."""

import ast
import operator
import unicodedata
from collections.abc import Callable, Collection, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

LONGEST = 500
"""Characters of an expression."""
MOST_NODES = 200
LARGEST_POWER = 400
"""Greatest exponent of **, either sign."""

CONTEXT = Context(
    prec=50, rounding=ROUND_HALF_UP, Emin=-9999, Emax=9999, traps=[DivisionByZero, InvalidOperation, Overflow]
)
"""50 digits; a half is rounded away from zero, as bills do and schools teach."""

Value = Decimal | str | bool


def _whole(value: Decimal) -> int:
    if value != value.to_integral_value(context=CONTEXT):
        raise ValueError(f"{value} is not a whole number of digits")
    return int(value)


def round_half_up(value: Decimal, digits: Decimal = Decimal(0)) -> Decimal:
    """Return a value rounded to that many decimals, -20 to 20; a half goes away from zero: 2.5 -> 3, -2.5 -> -3."""
    places = _whole(digits)
    if not -20 <= places <= 20:
        raise ValueError(f"round to {places} digits; give -20 to 20")
    return value.quantize(Decimal(1).scaleb(-places), context=CONTEXT)


def _floor_divide(a: Decimal, b: Decimal) -> Decimal:
    """Divide and round down, as Python does with integers; Decimal's own // rounds towards zero."""
    return CONTEXT.divide(a, b).to_integral_value("ROUND_FLOOR", CONTEXT)


def _power(a: Decimal, b: Decimal) -> Decimal:
    if abs(b) > LARGEST_POWER:
        raise ValueError(f"to the power of {b}; the greatest exponent is {LARGEST_POWER}")
    made = CONTEXT.power(a, b)
    if not made.is_finite():  # 0 to a negative power is infinite without any signal
        raise DivisionByZero
    return made


_ARITHMETIC: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: CONTEXT.add,
    ast.Sub: CONTEXT.subtract,
    ast.Mult: CONTEXT.multiply,
    ast.Div: CONTEXT.divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: lambda a, b: CONTEXT.subtract(a, CONTEXT.multiply(_floor_divide(a, b), b)),
    ast.Pow: _power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Decimal], int, int]] = {
    "round": (round_half_up, 1, 2),
    "abs": (lambda a: a.copy_abs(), 1, 1),
    "min": (lambda *values: min(values), 1, 20),
    "max": (lambda *values: max(values), 1, 20),
}
"""Name -> what it does, fewest and most arguments."""


class Expression:
    """An expression that was checked when it was made; it knows + - * / // % **, comparisons, and, or, not,
    `a if b else c`, round, abs, min and max, numbers, texts to compare with, and the names it is given.

    Raises ValueError saying what is wrong and what is there instead.
    """

    def __init__(self, text: str, names: Collection[str]):
        self.text = text
        if len(text) > LONGEST:
            raise ValueError(f"has {len(text)} characters; at most {LONGEST}")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(
                f"{text!r} cannot be read: {getattr(error, 'msg', None) or type(error).__name__}"
            ) from None
        nodes = list(ast.walk(self._tree))
        if len(nodes) > MOST_NODES:
            raise ValueError(f"has {len(nodes)} parts; at most {MOST_NODES}: compute it in several steps")
        self._check(self._tree, names)

    def _check(self, node: ast.expr, names: Collection[str]) -> None:
        """Refuse all but what the class names."""
        known = ", ".join(sorted(names)) or "none"
        match node:
            case ast.Constant(value=bool()):
                raise ValueError(f"{self.text!r}: {node.value} is no number; compare values instead")
            case ast.Constant(value=int() | float()):
                _constant(node.value)
            case ast.Constant(value=str()):
                pass
            case ast.Name(id=name):
                if unicodedata.normalize("NFKC", name) not in names:
                    raise ValueError(f"{self.text!r}: no slot or value {name!r}; there are: {known}")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                self._check(left, names)
                self._check(right, names)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not(), operand=operand):
                self._check(operand, names)
            case ast.BoolOp(values=values):
                for value in values:
                    self._check(value, names)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                for value in (left, *others):
                    self._check(value, names)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                for value in (test, body, orelse):
                    self._check(value, names)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                _, least, most = _FUNCTIONS[name]
                if not least <= len(args) <= most:
                    raise ValueError(f"{self.text!r}: {name} takes {least} to {most} values, not {len(args)}")
                for value in args:
                    self._check(value, names)
            case _:
                raise ValueError(
                    f"{self.text!r}: {_told(node)} is not known here; use + - * / // % **, comparisons, and, or, not, "
                    f"a if b else c, {', '.join(_FUNCTIONS)}, and the names: {known}"
                )

    def __call__(self, values: Mapping[str, Value]) -> Value:
        """Return what it is worth; raises ValueError saying why it has no value, such as a division by zero."""
        try:
            return self._value(self._tree, values)
        except (ArithmeticError, TypeError) as error:
            kind = "a text where a number is wanted" if isinstance(error, TypeError) else _fault(error)
            raise ValueError(f"{self.text!r} has no value: {kind}") from None

    def _value(self, node: ast.expr, values: Mapping[str, Value]) -> Value:
        match node:
            case ast.Constant(value=str()):
                return node.value
            case ast.Constant():
                return _constant(node.value)
            case ast.Name(id=name):
                return values[unicodedata.normalize("NFKC", name)]
            case ast.BinOp(left=left, op=op, right=right):
                return _ARITHMETIC[type(op)](_number(self._value(left, values)), _number(self._value(right, values)))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._value(operand, values)
            case ast.UnaryOp(op=op, operand=operand):
                value = _number(self._value(operand, values))
                return CONTEXT.minus(value) if isinstance(op, ast.USub) else value
            case ast.BoolOp(op=op, values=parts):
                results = (bool(self._value(part, values)) for part in parts)
                return all(results) if isinstance(op, ast.And) else any(results)
            case ast.Compare(left=left, ops=ops, comparators=others):
                left_value = self._value(left, values)
                for op, other in zip(ops, others, strict=True):
                    right_value = self._value(other, values)
                    if not _COMPARISONS[type(op)](left_value, right_value):
                        return False
                    left_value = right_value
                return True
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._value(body if self._value(test, values) else orelse, values)
            case ast.Call(func=ast.Name(id=name), args=args):
                return _FUNCTIONS[name][0](*(_number(self._value(arg, values)) for arg in args))
        raise AssertionError("checked when it was made")


def _number(value: Value) -> Decimal:
    if not isinstance(value, Decimal):
        raise TypeError(value)
    return value


def _constant(value: int | float) -> Decimal:
    """Return a number as it was written: 0.1 is one tenth."""
    made = Decimal(repr(value))
    if not made.is_finite() or abs(made.adjusted()) > 40:
        raise ValueError("a number is too large; write it in another unit")
    return made


def _fault(error: ArithmeticError) -> str:
    return {DivisionByZero: "a division by zero", Overflow: "the result is too large"}.get(
        type(error), "an operation without a result, such as 0/0 or too many digits"
    )


def _told(node: ast.AST) -> str:
    return {ast.Call: "this call", ast.Attribute: "a dot", ast.Subscript: "an index", ast.Lambda: "lambda"}.get(
        type(node), type(node).__name__
    )
