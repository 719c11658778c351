"""Two processes that call each other's functions through a pair of pipes, and trust each other with plain values only.

What crosses is rebuilt from plain data as an exact builtin type, so that a value cannot bring methods of its own.
Whatever else there is stays where it is and crosses as a number, its *handle*. A frame is a length of four bytes and
JSON. Calls are nested, never interleaved: who asks answers what the other asks in between.
"""

import builtins
import collections
import datetime
import decimal
import fractions
import json
import os
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, ModuleType
from typing import Any

LARGEST_FRAME = 64 << 20
"""Bytes."""
DEEPEST = 300
"""Levels of nested containers; what is deeper cannot cross."""
MOST_DEPTH = 60
"""Calls of one side within calls of the other."""

_DATED = (datetime.datetime, datetime.date, datetime.time)
_OF_FUNCTIONS = (type.__eq__, BuiltinFunctionType.__eq__)
_BY_NAME = (BuiltinFunctionType, BuiltinMethodType, FunctionType, type)


class Broken(Exception):
    """The other side is gone, or does not keep to the protocol."""


class NotPlain(Exception):
    """A value cannot cross as data."""


def pack(value: Any, other: Callable[[Any], Any], depth: int = 0) -> Any:
    """Return a value as JSON data; `other` turns what is not plain into a handle. Raises NotPlain when too deep."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -(1 << 53) < value < 1 << 53 else ["i", hex(value)]
    if kind is float:
        return ["f", value.hex()]
    if depth > DEEPEST:
        raise NotPlain("a value is nested too deep, or holds itself")
    if kind in _CONTAINERS:
        return [_CONTAINERS[kind], *[pack(item, other, depth + 1) for item in value]]
    if kind in _MAPPINGS:
        pairs = [[pack(k, other, depth + 1), pack(v, other, depth + 1)] for k, v in value.items()]
        return [_MAPPINGS[kind], *pairs]
    if kind is complex:
        return ["c", value.real.hex(), value.imag.hex()]
    if kind in (bytes, bytearray):
        return ["b" if kind is bytes else "ba", value.hex()]
    if kind in (decimal.Decimal, fractions.Fraction):
        return ["n" if kind is decimal.Decimal else "q", str(value)]
    if kind is range:
        return ["r", *[hex(n) for n in (value.start, value.stop, value.step)]]
    if kind in _DATED and (kind is datetime.date or value.tzinfo is None):
        return ["t" + kind.__name__, value.isoformat()]
    if kind is datetime.timedelta:
        return ["td", value.days, value.seconds, value.microseconds]
    if value is Ellipsis or value is NotImplemented:
        return ["name", "builtins", repr(value)]
    if named := _name_of(value):
        return ["name", *named]
    return other(value)


_CONTAINERS = {list: "l", tuple: "u", set: "s", frozenset: "z", collections.deque: "k"}
_MAPPINGS = {
    dict: "d",
    collections.OrderedDict: "o",
    collections.Counter: "C",
    collections.defaultdict: "d",
}
_BUILD: dict[str, Callable[[Any], Any]] = {
    "l": list,
    "u": tuple,
    "s": set,
    "z": frozenset,
    "k": collections.deque,
    "d": dict,
    "o": collections.OrderedDict,
    "C": lambda pairs: collections.Counter(dict(pairs)),
    "i": lambda parts: int(parts[0], 16),
    "f": lambda parts: float.fromhex(parts[0]),
    "c": lambda parts: complex(float.fromhex(parts[0]), float.fromhex(parts[1])),
    "b": lambda parts: bytes.fromhex(parts[0]),
    "ba": lambda parts: bytearray.fromhex(parts[0]),
    "n": lambda parts: decimal.Decimal(parts[0]),
    "q": lambda parts: fractions.Fraction(parts[0]),
    "r": lambda parts: range(*[int(part, 16) for part in parts]),
    "tdatetime": lambda parts: datetime.datetime.fromisoformat(parts[0]),
    "tdate": lambda parts: datetime.date.fromisoformat(parts[0]),
    "ttime": lambda parts: datetime.time.fromisoformat(parts[0]),
    "td": lambda parts: datetime.timedelta(*parts),
}


def unpack(data: Any, handle: Callable[[list[Any]], Any]) -> Any:
    """Return the value that JSON data stands for; `handle` resolves handles. Raises Broken for anything else."""
    if not isinstance(data, list):
        return data
    kind, *parts = data
    if kind in ("h", "mine"):
        return handle(data)
    if kind == "name":
        return _named(*parts)
    if kind in ("l", "u", "s", "z", "k"):
        parts = [unpack(part, handle) for part in parts]
    elif kind in ("d", "o", "C"):
        parts = [(unpack(k, handle), unpack(v, handle)) for k, v in parts]
    return _BUILD[kind](parts)


def _name_of(value: Any) -> tuple[str, str] | None:
    """Return the module and name of a function, class or module of the standard library."""
    if isinstance(value, ModuleType):
        name = value.__name__
        return (name, "") if sys.modules.get(name) is value and is_standard(name) else None
    if not isinstance(value, _BY_NAME):
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not is_standard(module):
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None


def is_standard(module: str) -> bool:
    """Tell whether a module belongs to Python's standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _named(module: str, name: str) -> Any:
    if not is_standard(module):
        raise Broken(f"no module {module!r} of the standard library")
    found: Any = builtins if module == "builtins" else import_module(module)
    found = getattr(found, name, None) if name else found
    # what is sent is not believed: nothing may come in that decides itself what it is equal to
    if found is Ellipsis or found is NotImplemented:
        return found
    if _name_of(found) != (module, name) or type(found).__eq__ not in (object.__eq__, *_OF_FUNCTIONS):
        raise Broken(f"{module}.{name} is no function, class or module")
    return found


class Peer:
    """One end of the pair; `serve` answers what the other end asks, `lend` turns objects into handles and back."""

    def __init__(self, reading: int, writing: int, serve: Callable[..., Any], borrow: Callable[[int, Any], Any]):
        self.reading, self.writing = reading, writing
        self.serve = serve
        self.borrow = borrow
        """Makes something that stands for an object of the other end, of its number and what is told about it."""
        self.lent: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.describe: Callable[[Any], Any] = lambda value: None
        self.borrowed_number: Callable[[Any], int | None] = lambda value: None
        self.depth = 0
        self.gone = ""
        """Why the other end cannot be spoken with any more."""

    def lend(self, value: Any) -> list[Any]:
        """Return the handle of an object of this end, or give back one of the other's."""
        if (number := self.borrowed_number(value)) is not None:
            return ["mine", number]
        key = id(value)
        if key not in self.numbers:
            self.numbers[key] = len(self.lent)
            self.lent.append(value)  # kept alive, so that its id stays its own
        return ["h", self.numbers[key], self.describe(value)]

    def _resolve(self, data: list[Any]) -> Any:
        return self.lent[data[1]] if data[0] == "mine" else self.borrow(data[1], data[2])

    def pack(self, value: Any) -> Any:
        """Return a value as data, with handles for what is not plain."""
        return pack(value, self.lend)

    def unpack(self, data: Any) -> Any:
        """Return the value of data."""
        return unpack(data, self._resolve)

    def ask(self, *request: Any) -> Any:
        """Send a request and return what the other end answers, data that `unpack` reads; raises Broken."""
        if self.depth >= MOST_DEPTH:
            raise RecursionError("the two sides call each other without end")
        self.depth += 1
        try:
            self.send(["ask", *request])
            while (frame := self.receive())[0] == "ask":
                self.answer(frame[1:])
            if frame[0] != "answer":
                raise Broken(f"unexpected frame {frame[0]!r}")
            return frame[1]
        except Broken as error:
            self.gone = str(error)
            raise
        finally:
            self.depth -= 1

    def answer(self, request: list[Any]) -> None:
        """Serve one request of the other end."""
        self.send(["answer", self.serve(*request)])

    def send(self, frame: list[Any]) -> None:
        """Write a frame."""
        body = json.dumps(frame, separators=(",", ":")).encode("ascii")
        view = memoryview(struct.pack("<I", len(body)) + body)
        try:
            while view:
                view = view[os.write(self.writing, view) :]
        except OSError as error:
            raise Broken("the process of the code ended before it answered") from error

    def receive(self) -> list[Any]:
        """Read a frame; raises Broken at the end of the pipe and for what is none."""
        size = struct.unpack("<I", self._read(4))[0]
        if size > LARGEST_FRAME:
            raise Broken(f"a frame of {size:,} bytes")
        try:
            frame = json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise Broken("a frame that is no JSON") from error
        if not isinstance(frame, list) or not frame:
            raise Broken("a frame that is no list")
        return frame

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self.reading, min(size, 1 << 20))
            if not part:
                raise Broken("the process of the code ended before it answered")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
