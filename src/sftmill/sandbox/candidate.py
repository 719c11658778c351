"""The process that holds the code under test: runs it, and lends its functions to the examiner."""

import builtins
import io
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, GeneratorType, ModuleType
from typing import Any

from sftmill.sandbox.peer import Broken, NotPlain, Peer, is_standard

LONGEST_OUTPUT = 1 << 20
"""Characters that a program may print before the rest is thrown away."""

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__bool__": bool,
    "__float__": float,
    "__hash__": hash,
    "__int__": int,
    "__iter__": iter,
    "__len__": len,
    "__next__": next,
    "__repr__": repr,
    "__str__": str,
    "__reversed__": reversed,
    "__abs__": abs,
    "__round__": round,
    "__format__": format,
}


class Output(io.StringIO):
    """Keeps the beginning of what is printed."""

    def write(self, text: str) -> int:
        """Take in a text, or forget it when there is too much already."""
        return super().write(text) if self.tell() < LONGEST_OUTPUT else len(text)


class Lent:
    """Stands for a function or an object of the tests that the candidate was handed."""

    def __init__(self, peer: Peer, number: int):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def _ask(self, *request: Any) -> Any:
        return _result(self._peer, self._peer.ask(*request))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._ask("call", self._number, self._peer.pack(arguments), self._peer.pack(named))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._ask("get", self._number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set", self._number, name, self._peer.pack(value))

    def __iter__(self) -> Iterator[Any]:
        yield from self._ask("list", self._number)


def _result(peer: Peer, reply: list[Any]) -> Any:
    if reply[0] == "raise":
        kind = getattr(builtins, str(reply[1]), RuntimeError)
        raise kind(reply[2])
    return peer.unpack(reply[1])


class Candidate:
    """Serves the examiner's requests."""

    def __init__(self, reading: int, writing: int, code: str):
        self.code = code
        self.scope: dict[str, Any] = {"__name__": "candidate", "__builtins__": builtins}
        self.peer = Peer(reading, writing, self.serve, self._borrow)
        self.peer.describe = self._describe
        self.peer.borrowed_number = lambda v: v._number if type(v) is Lent else None
        self.borrowed: dict[int, Lent] = {}

    def run(self) -> None:
        """Answer requests until the examiner is gone."""
        try:
            while True:
                self.peer.answer(self.peer.receive()[1:])
        except Broken:
            pass

    def _borrow(self, number: int, told: Any) -> Lent:
        return self.borrowed.setdefault(number, Lent(self.peer, number))

    def _describe(self, value: Any) -> Any:
        """Tell the examiner what a handle stands for: a class with its name and bases, or an object of a class."""
        if isinstance(value, type):
            base = next((b.__name__ for b in value.__mro__ if b.__module__ == "builtins"), "object")
            return {"class": value.__name__, "base": base, "error": issubclass(value, BaseException)}
        told: dict[str, Any] = {"callable": callable(value)}
        kind = type(value)
        if kind not in (FunctionType, GeneratorType) and not is_standard(str(kind.__module__)):
            told["of"] = self.peer.lend(kind)
            if isinstance(value, tuple):
                told["plain"] = self.peer.pack(tuple(tuple.__iter__(value)))
        return told

    def serve(self, request: str, *rest: Any) -> list[Any]:
        """Do what the examiner asks and return it, or the error that came of it."""
        output = Output()
        sys.stdout = output
        try:
            value, changed = getattr(self, f"_do_{request}")(*rest)
            return ["return", self.peer.pack(value), output.getvalue(), changed]
        except Broken:
            raise
        except NotPlain as error:
            return ["raise", None, "ValueError", self.peer.pack((str(error),)), output.getvalue()]
        except BaseException as error:
            return self._raised(error, output.getvalue())

    def _raised(self, error: BaseException, printed: str) -> list[Any]:
        kind = type(error)
        handle = None
        if getattr(builtins, kind.__name__, None) is not kind:
            handle = self.peer.lend(kind)
        base = next((b.__name__ for b in kind.__mro__ if b.__module__ == "builtins"), "Exception")
        try:
            arguments = self.peer.pack(tuple(BaseException.args.__get__(error)))
        except BaseException:
            arguments = self.peer.pack(())
        return ["raise", handle, base, arguments, printed]

    def _do_load(self) -> tuple[Any, None]:
        """Run the code and return its public names."""
        exec(compile(self.code, "candidate", "exec", dont_inherit=True, optimize=0), self.scope)
        given = {}
        for name, value in list(self.scope.items()):
            if type(name) is str and not name.startswith("__"):
                given[name] = value
        return given, None

    def _do_program(self, standard_input: str) -> tuple[str, None]:
        """Run the code as a program and return what it printed."""
        printed = io.BytesIO()
        sys.stdin = io.TextIOWrapper(io.BytesIO(standard_input.encode("utf-8", "replace")), "utf-8")
        sys.stdout = io.TextIOWrapper(printed, "utf-8", errors="replace", write_through=True)
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        try:
            exec(compile(self.code, "program", "exec", dont_inherit=True, optimize=0), vars(module))
        except SystemExit as end:
            if end.code not in (None, 0):
                raise RuntimeError(f"ended with status {str(end.code)[:100]}") from None
        return printed.getvalue()[: LONGEST_OUTPUT * 4].decode("utf-8", "replace"), None

    def _do_call(self, number: int, arguments: Any, named: Any) -> tuple[Any, Any]:
        """Call a function and return its result, and what became of the lists and dicts that it was given."""
        given = self.peer.unpack(arguments)
        result = self.peer.lent[number](*given, **self.peer.unpack(named))
        same = next((i for i, value in enumerate(given) if value is result), None)
        changed = [self.peer.pack(v) if type(v) in (list, dict, set, bytearray) else None for v in given]
        changed = [None if now == before else now for now, before in zip(changed, arguments[1:], strict=True)]
        if same is not None and type(result) in (list, dict, set, bytearray):
            return None, {"args": changed, "same": same}
        return result, {"args": changed}

    def _do_get(self, number: int, name: str) -> tuple[Any, None]:
        return getattr(self.peer.lent[number], name), None

    def _do_set(self, number: int, name: str, value: Any) -> tuple[None, None]:
        setattr(self.peer.lent[number], name, self.peer.unpack(value))
        return None, None

    def _do_special(self, number: int, name: str, arguments: Any) -> tuple[Any, None]:
        value, given = self.peer.lent[number], self.peer.unpack(arguments)
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](value, *given), None
        return getattr(type(value), name)(value, *given), None
