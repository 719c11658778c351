"""The process that holds the tests: calls the candidate through the pipe and says what came of it."""

import ast
import builtins
import contextlib
import inspect
import io
import itertools
import json
import sys
import unittest
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from sftmill.sandbox.peer import Broken, Peer

Verdict = dict[str, Any]
"""{"ok": true, false or None where the tests themselves are at fault, "why": a short reason}."""

_SPECIAL = str.split(
    "__bool__ __float__ __hash__ __int__ __iter__ __len__ __next__ __reversed__ __abs__ __round__ __getitem__ "
    "__setitem__ __delitem__ __contains__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ "
    "__floordiv__ __mod__ __pow__ __neg__ __and__ __or__ __xor__ __lt__ __le__ __gt__ __ge__ __matmul__ __enter__ "
    "__exit__ __index__"
)
LONGEST_PRINT = 1 << 20


class Cheat(Exception):
    """The candidate did what no answer to a test is, such as ending the process."""


class Borrowed:
    """Stands for an object of the candidate; equal to another only if the candidate's class says so of both.

    It is never equal to a plain value (but a named tuple to its content), whatever its class makes of `==`.
    """

    _examiner: "Examiner"
    _number: int
    _plain: Any

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_examiner", "_number", "_plain"):
            return object.__getattribute__(self, name)
        return object.__getattribute__(self, "_examiner").ask("get", object.__getattribute__(self, "_number"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._examiner.ask("set", self._number, name, self._examiner.peer.pack(value))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._examiner.call(self._number, arguments, named)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Borrowed):
            if self._number == other._number:
                return True
            return self._examiner.special(self, "__eq__", other) is True
        return self._plain is not None and self._plain == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return self._examiner.special(self, "__hash__")

    def __str__(self) -> str:
        return _text(self._examiner.special(self, "__str__"))

    def __repr__(self) -> str:
        return _text(self._examiner.special(self, "__repr__"))


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: Borrowed, *arguments: Any) -> Any:
        return self._examiner.special(self, name, *arguments)

    return method


for _name in _SPECIAL:
    if _name != "__hash__":
        setattr(Borrowed, _name, _forwarded(_name))


class _BorrowedClass(type):
    """Makes objects by asking the candidate to, and looks up what its class holds there."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        return cls.__dict__["_examiner"].call(cls.__dict__["_number"], arguments, named)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls.__dict__["_examiner"].ask("get", cls.__dict__["_number"], name)


class Examiner:
    """Runs the tests against the candidate at the other end of a pair of pipes."""

    def __init__(self, reading: int, writing: int):
        self.peer = Peer(reading, writing, self.serve, self._borrow)
        self.peer.borrowed_number = self._number_of
        self.classes: dict[int, type] = {}
        self.objects: dict[int, Any] = {}
        self.cheated = ""

    # --- what the candidate has ---

    def _number_of(self, value: Any) -> int | None:
        if isinstance(value, Borrowed):
            return value._number
        return next((n for n, cls in self.classes.items() if cls is value), None) if isinstance(value, type) else None

    def _borrow(self, number: int, told: Any) -> Any:
        told = told if isinstance(told, dict) else {}
        if "class" in told:
            return self._class(number, told)
        if number not in self.objects:
            cls = self.peer.unpack(told["of"]) if "of" in told else Borrowed
            made = object.__new__(cls if isinstance(cls, type) and issubclass(cls, Borrowed) else Borrowed)
            object.__setattr__(made, "_examiner", self)
            object.__setattr__(made, "_number", number)
            object.__setattr__(made, "_plain", self.peer.unpack(told["plain"]) if "plain" in told else None)
            self.objects[number] = made
        return self.objects[number]

    def _class(self, number: int, told: dict[str, Any]) -> type:
        if number not in self.classes:
            name = str(told["class"])
            if told.get("error"):
                self.classes[number] = type(name, (_builtin_error(told.get("base")),), {})
            else:
                inside = {"_examiner": self, "_number": number}
                self.classes[number] = _BorrowedClass(name, (Borrowed,), inside)
        return self.classes[number]

    def ask(self, *request: Any) -> Any:
        """Ask the candidate for something; raise what it raises."""
        return self._value(self.peer.ask(*request))

    def special(self, proxy: Borrowed, name: str, *arguments: Any) -> Any:
        """Have a special method of an object called."""
        try:
            return self.ask("special", proxy._number, name, self.peer.pack(arguments))
        except AttributeError as error:
            raise TypeError(str(error)) from None

    def call(self, number: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the candidate; what it does to its arguments is done to those given, too."""
        reply = self.peer.ask("call", number, self.peer.pack(arguments), self.peer.pack(named))
        value = self._value(reply)
        effects = reply[3] if isinstance(reply[3], dict) else {}
        for argument, now in zip(arguments, effects.get("args", ()), strict=False):
            if now is not None:
                _replace(argument, self.peer.unpack(now))
        if isinstance(same := effects.get("same"), int) and 0 <= same < len(arguments):
            return arguments[same]
        return value

    def _value(self, reply: Any) -> Any:
        if not isinstance(reply, list) or len(reply) < 4:
            raise Broken("an answer that is none")
        if reply[0] == "raise":
            _, handle, base, arguments, printed = reply
            sys.stdout.write(str(printed))
            own = self.peer.unpack(handle) if handle else None
            # an error is the candidate's own class or a builtin; unittest.SkipTest is neither
            kind = own if own in self.classes.values() else _builtin_error(base)
            if not issubclass(kind, Exception):
                self.cheated = f"the code ended itself: {base}"
                raise Cheat(self.cheated)
            given = self.peer.unpack(arguments)
            try:
                error = kind(*given)
            except TypeError:  # such as a UnicodeError with other arguments than its class wants
                error = kind.__new__(kind)
            error.__dict__["of_candidate"] = True
            raise error
        sys.stdout.write(str(reply[2]))
        return self.peer.unpack(reply[1])

    # --- what the candidate may ask of the tests: call what it was handed, and read plain attributes of it ---

    def serve(self, request: str, number: int, *rest: Any) -> list[Any]:
        """Answer the candidate: only for what was handed to it, and nothing that leads further."""
        try:
            return ["return", self.peer.pack(self._serve(request, self.peer.lent[number], *rest))]
        except Exception as error:
            return ["raise", type(error).__name__, str(error)[:500]]

    def _serve(self, request: str, value: Any, *rest: Any) -> Any:
        if request == "call" and callable(value):
            return value(*self.peer.unpack(rest[0]), **self.peer.unpack(rest[1]))
        if request == "list":
            return list(itertools.islice(value, 1_000_000))
        own = type(value).__module__ == "tests" and not str(rest[0]).startswith("_")
        if request == "get" and own:
            return getattr(value, rest[0])
        if request == "set" and own:
            return setattr(value, rest[0], self.peer.unpack(rest[1]))
        raise TypeError(f"cannot {request} this")

    # --- the tests ---

    def examine(self, tests: str, entry_point: str) -> Verdict:
        """Run the tests, Python or a JSON list of inputs and outputs, and return the verdict."""
        try:
            cases = json.loads(tests) if tests.lstrip().startswith("[") else None
        except ValueError:
            cases = None
        sys.stdout = _Quiet()
        try:
            program = isinstance(cases, list) and all(isinstance(case, dict) for case in cases)
            verdict = self._examine_program(cases) if program else self._examine_functions(tests, entry_point)
        except (Broken, Cheat) as error:
            return {"ok": False, "why": str(error)}
        except BaseException as error:
            verdict = {"ok": False, "why": _reason(error)}
        # the tests may have caught what tells that the candidate is gone
        return {"ok": False, "why": fault} if (fault := self.cheated or self.peer.gone) else verdict

    def _examine_program(self, cases: list[dict[str, Any]]) -> Verdict:
        if not cases or not all(isinstance(case.get("output"), str) for case in cases):
            return {"ok": None, "why": "each test needs an `output`"}
        for number, case in enumerate(cases, 1):
            printed = self.ask("program", str(case.get("input") or ""))
            if _lines(_text(printed)) != _lines(case["output"]):
                return {"ok": False, "why": f"output {number} differs: {_text(printed)[:100]!r}"}
        return {"ok": True, "why": ""}

    def _examine_functions(self, tests: str, entry_point: str) -> Verdict:
        try:
            tree = ast.parse(tests)
            code = compile(tree, "tests", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return {"ok": None, "why": f"the tests are no Python: {error}"}
        if not _judges(tree):
            return {"ok": None, "why": "the tests assert nothing"}
        given = self.ask("load")
        module = ModuleType("tests")
        sys.modules["tests"] = module
        scope = vars(module)
        if type(given) is dict:
            scope.update(_public(given, tree, entry_point))
        if entry_point and entry_point not in scope:
            return {"ok": False, "why": f"the code defines no {entry_point}"}
        if entry_point:
            scope.setdefault("candidate", scope[entry_point])
        before = dict(scope)
        exec(code, scope)
        return self._run_collected(tree, scope, before, entry_point)

    def _run_collected(
        self, tree: ast.Module, scope: dict[str, Any], before: dict[str, Any], entry_point: str
    ) -> Verdict:
        """Run what the tests only define: `check(candidate)`, test functions, test cases."""
        own = {k: v for k, v in scope.items() if before.get(k) is not v}
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        check = own.get("check")
        if isinstance(check, FunctionType) and "check" not in called:
            if not entry_point:
                return {"ok": None, "why": "the tests define check(candidate), but no entry_point is given"}
            check(scope[entry_point])
        for name, value in own.items():
            if isinstance(value, FunctionType) and name.startswith("test") and name not in called:
                if any(p.default is p.empty for p in inspect.signature(value).parameters.values()):
                    return {"ok": None, "why": f"{name} wants arguments (fixtures), which are not made here"}
                value()
            elif isinstance(value, type) and issubclass(value, unittest.TestCase):
                with contextlib.redirect_stderr(io.StringIO()):
                    result = unittest.TextTestRunner(stream=io.StringIO()).run(
                        unittest.defaultTestLoader.loadTestsFromTestCase(value)
                    )
                if not result.wasSuccessful():
                    return {"ok": False, "why": f"{len(result.failures + result.errors)} tests of {name} failed"}
                if result.skipped or not result.testsRun:
                    return {"ok": None, "why": f"tests of {name} were skipped"}
        return {"ok": True, "why": ""}


class _Quiet(io.StringIO):
    """Forgets what is printed once there is much of it."""

    def write(self, text: str) -> int:
        return super().write(text) if self.tell() < LONGEST_PRINT else len(text)


def _public(given: dict[Any, Any], tree: ast.Module, entry_point: str) -> dict[str, Any]:
    """Return what the tests may see of the candidate's names: they keep their own builtins and standard library.

    What is under test may be called as a builtin is, such as `sum`: the entry point, or, where none is named, what
    the tests call when they call nothing else of the candidate.
    """
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own = {name for name in given if type(name) is str and not hasattr(builtins, name) and name in used}
    under_test = {entry_point} if entry_point or own else used
    seen = {}
    for name, value in given.items():
        if type(name) is not str or name.startswith("__"):  # __builtins__ would be the candidate's
            continue
        standard = name in sys.stdlib_module_names and not isinstance(value, ModuleType)
        if name in under_test or not (standard or hasattr(builtins, name)):
            seen[name] = value
    return seen


def _judges(tree: ast.Module) -> bool:
    """Tell whether tests can fail at all: an assert, a raise, or a call of something that may raise."""
    return any(isinstance(node, ast.Assert | ast.Raise | ast.Call) for node in ast.walk(tree))


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, AssertionError) and not error.__dict__.get("of_candidate"):
        trace, line = error.__traceback__, 0
        while trace:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "tests" else line
            trace = trace.tb_next
        return f"assertion failed in line {line}"
    return f"{name}: {str(error)[:200]}"


def _builtin_error(name: Any) -> type[BaseException]:
    found = getattr(builtins, str(name), None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Exception


def _replace(target: Any, now: Any) -> None:
    """Give a list, dict, set or bytearray the content that it has on the other side."""
    if type(target) is not type(now):
        return
    if isinstance(target, list | bytearray):
        target[:] = now
    elif isinstance(target, dict | set):
        target.clear()
        target.update(now)


def _lines(text: str) -> list[str]:
    """Return the lines of an output without spaces at their ends and empty lines at the end of all."""
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n").split("\n")
