"""What passes and what fails in the sandbox: honest code with tests of every form, and every escape."""

import os
import sys
from pathlib import Path

import pytest

from sftmill.sandbox import Limits, Sandbox, SandboxUnavailable, box, kernel, why_unavailable

sys.path.insert(0, str(Path(__file__).parent))
from escapes import ESCAPES, HONEST, TESTS

REASON = why_unavailable()
needs_sandbox = pytest.mark.skipif(bool(REASON), reason=REASON or "there is a sandbox")
QUICK = Limits(seconds=1, patience=4.0)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@needs_sandbox
@pytest.mark.parametrize("name", ESCAPES)
def test_no_escape_passes(sandbox, name):
    outcome = sandbox.check(ESCAPES[name], TESTS, limits=QUICK)
    assert outcome.ok is False, outcome
    assert outcome.why


@needs_sandbox
def test_honest_code_passes_the_same_tests_afterwards(sandbox):
    assert sandbox.check(HONEST, TESTS) == (True, "")


PASSING = {
    "asserts": ("def f(x): return x + 1", "assert f(1) == 2\nassert f(-1) == 0"),
    "check of a candidate": ("def f(x): return x", "def check(candidate):\n    assert candidate(3) == 3"),
    "test functions": ("def f(x): return x", "def test_one():\n    assert f(1) == 1"),
    "unittest": (
        "def f(x): return [x]",
        "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f(1), [1])",
    ),
    "exceptions": ("def f(): raise KeyError('x')", "try:\n    f()\n    assert False\nexcept KeyError as e:\n    assert e.args == ('x',)"),
    "own exceptions": (
        "class Bad(ValueError): pass\ndef f(): raise Bad('no')",
        "try:\n    f()\n    assert False\nexcept Bad as e:\n    assert str(e) == 'no' and isinstance(e, ValueError)",
    ),
    "lists changed in place": ("def f(x): x.sort()\ndef g(x): x.append(1); return x", "a = [2, 1]\nf(a)\nassert a == [1, 2]\nassert g(a) is a"),
    "functions as arguments": ("def f(g, xs): return [g(x) for x in xs]", "assert f(lambda x: x * 2, [1, 2]) == [2, 4]\nassert f(abs, [-1]) == [1]"),
    "generators": ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]\nassert sum(f(4)) == 6"),
    "objects": (
        "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x); return self\n"
        "    def __len__(self): return len(self.items)\n    def __contains__(self, x): return x in self.items",
        "s = Stack()\nassert s.push(1).push(2).items == [1, 2]\nassert len(s) == 2 and 1 in s and 3 not in s\nassert isinstance(s, Stack)",
    ),
    "operators of a class": (
        "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __eq__(self, o): return isinstance(o, V) and self.x == o.x\n    def __repr__(self): return f'V({self.x})'",
        "assert V(1) + V(2) == V(3)\nassert V(1) != V(2)\nassert repr(V(1)) == 'V(1)'\nassert V(1) != 1",
    ),
    "objects of the tests": (
        "def total(node):\n    return 0 if node is None else node.value + total(node.next)",
        "class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\n"
        "assert total(Node(1, Node(2))) == 3",
    ),
    "named tuples": ("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)", "assert f() == (1, 2)\nassert f().x == 1"),
    "values of the library": (
        "from fractions import Fraction\nfrom decimal import Decimal\nimport datetime\nfrom collections import Counter\n"
        "def f(): return [Fraction(1, 2), Decimal('1.50'), datetime.date(2024, 2, 29), Counter('aab'), 1j, b'x', {1, 2}, 10**40]",
        "from fractions import Fraction\nfrom decimal import Decimal\nimport datetime\n"
        "assert f() == [Fraction(1, 2), Decimal('1.5'), datetime.date(2024, 2, 29), {'a': 2, 'b': 1}, 1j, b'x', {2, 1}, 10**40]",
    ),
    "floats": ("def f(): return [0.1 + 0.2, float('inf'), float('nan')]", "a, b, c = f()\nassert abs(a - 0.3) < 1e-9 and b > 1e308 and c != c"),
    "text of any kind": ("def f(s): return s[::-1]", "assert f('世界😀') == '😀界世'\nassert f('\\ud800') == '\\ud800'"),
    "a function named as a builtin": ("def sum(a, b): return a + b", "assert sum(10, 15) == 25"),
    "modules that the code imports": ("import math\ndef f(): return math.pi", "assert math.isclose(f(), 3.14159265, rel_tol=1e-6)"),
    "modules imported late": ("def f():\n    import colorsys\n    return colorsys.rgb_to_hsv(0, 0, 0)", "assert f() == (0.0, 0.0, 0)"),
    "printed text": (
        "def f(): print('hello')",
        "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\nassert out.getvalue() == 'hello\\n'",
    ),
    "threads": (
        "import threading\ndef f():\n    out = []\n    t = threading.Thread(target=lambda: out.append(1))\n    t.start()\n    t.join()\n    return out",
        "assert f() == [1]",
    ),
    "an event loop": ("import asyncio\nasync def g():\n    await asyncio.sleep(0)\n    return 5\ndef f(): return asyncio.run(g())", "assert f() == 5"),
    "recursion": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "assert f(500) == 500"),
    "a program": ("n = int(input())\nprint(n * 2)", '[{"input": "3\\n", "output": "6"}, {"input": "5", "output": "10\\n"}]'),
    "a program with a main guard": (
        "import sys\ndef main():\n    print(sum(map(int, sys.stdin.read().split())))\nif __name__ == '__main__':\n    main()",
        '[{"input": "1 2\\n3", "output": "6\\n"}]',
    ),
    "a program that ends with sys.exit": ("import sys\nprint(1)\nsys.exit(0)", '[{"input": "", "output": "1"}]'),
}  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize("name", PASSING)
def test_right_code_passes_tests_of_every_form(sandbox, name):
    code, tests = PASSING[name]
    entry = "f" if name == "check of a candidate" else ""
    assert sandbox.check(code, tests, entry) == (True, "")


FAILING = {
    "wrong value": ("def f(x): return x", "assert f(1) == 2", "line 1"),
    "type that is not the same": ("def f(): return '1'", "assert f() == 1", "line 1"),
    "error": ("def f(): return 1 / 0", "assert f() == 1", "ZeroDivisionError"),
    "error at the start": ("import nothing_of_the_kind", "assert f() == 1", "ModuleNotFoundError"),
    "no function": ("x = 1", "assert f() == 1", "NameError"),
    "exit caught by the tests": (
        "import os\ndef f(): os._exit(0)",
        "try:\n    f()\nexcept Exception:\n    pass\nassert True",
        "ended before",
    ),
    "SystemExit caught by the tests": (
        "def f(): raise SystemExit",
        "try:\n    f()\nexcept BaseException:\n    pass\nassert True",
        "SystemExit",
    ),
    "own library": (
        "def isclose(*a, **k): return True\nmath = None\ndef f(): return 1",
        "from math import isclose\nassert isclose(f(), 3)",
        "line 2",
    ),
    "program with another output": ("print(1)", '[{"input": "", "output": "2"}]', "output 1 differs"),
    "program that fails": ("print(1)\nraise SystemExit(3)", '[{"input": "", "output": "1"}]', "status 3"),
    "failed test case": (
        "def f(): return 1",
        "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f(), 2)",
        "1 tests of T failed",
    ),
}


@needs_sandbox
@pytest.mark.parametrize("name", FAILING)
def test_wrong_code_fails_with_its_reason(sandbox, name):
    code, tests, reason = FAILING[name]
    outcome = sandbox.check(code, tests)
    assert outcome.ok is False
    assert reason in outcome.why


@needs_sandbox
@pytest.mark.parametrize(
    "tests",
    [
        "",
        "x = 1",
        "def check(candidate):\n    assert candidate(1)",
        "assert f(",
        "[{}]",
        "def test_x(tmp_path):\n    f()",
    ],
)
def test_tests_at_fault_cannot_tell(sandbox, tests):
    assert sandbox.check("def f(x=1): return x", tests).ok is None


@needs_sandbox
def test_the_entry_point_must_be_there(sandbox):
    assert "no g" in sandbox.check("def f(): return 1", "assert 1", "g").why


@needs_sandbox
def test_a_text_too_long_is_not_run(sandbox):
    assert sandbox.check("#" * (box.LONGEST_TEXT + 1), "assert 1").ok is False
    assert sandbox.check("x = 1", "#" * (box.LONGEST_TEXT + 1)).ok is None


@needs_sandbox
def test_a_long_code_passes_the_pipes(sandbox):
    assert sandbox.check("#" * 900_000 + "\ndef f(): return 1", "#" * 900_000 + "\nassert f() == 1").ok


FORGED = """
import sys
peer = sys.modules["sftmill.sandbox.peer"]
real = peer.pack
def forged(value, other, depth=0):
    made = real(value, other, depth)
    if isinstance(value, dict) and "answer" in value:
        made.append(["__builtins__", ["d", ["abs", ["name", "builtins", "callable"]]]])
        made.append(["abs", ["name", "builtins", "callable"]])
    return made
peer.pack = forged
def answer(x):
    return 0
"""
SKIPPING = """
import sys, unittest
candidate = sys.modules["sftmill.sandbox.candidate"]
def raised(self, error, printed):
    return ["raise", ["name", "unittest.case", "SkipTest"], "Exception", ["u"], printed]
candidate.Candidate._raised = raised
def answer(x):
    raise unittest.SkipTest
"""


@needs_sandbox
def test_forged_frames_bring_no_builtins_and_skip_no_tests(sandbox):
    assert sandbox.check(FORGED, "assert abs(answer(20) - 42) < 1e-6").ok is False
    case = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(answer(20), 42)"
    )
    assert sandbox.check(SKIPPING, case).ok is False
    assert sandbox.check("import unittest\ndef answer(x): raise unittest.SkipTest", case).ok is False


@needs_sandbox
def test_one_check_sees_nothing_of_the_one_before(sandbox):
    sandbox.check("import math\nmath.left = 5\nimport builtins\nbuiltins.left = 5", "assert True or f()")
    code = "import math, builtins\ndef f(): return hasattr(math, 'left') or hasattr(builtins, 'left')"
    assert sandbox.check(code, "assert f() is False").ok


@needs_sandbox
def test_hashes_are_the_same_each_time(sandbox):
    code = "def f(): return list({'one', 'two', 'three', 'four'})"
    with Sandbox() as other:
        printed = [box_.check(code, "assert f() == 0 or f(1)") for box_ in (sandbox, other)]
        order = [
            box_.check("print(list({'one','two','three','four'}))", '[{"output": ""}]').why for box_ in (sandbox, other)
        ]
    assert printed[0] == printed[1]
    assert order[0] == order[1]


@needs_sandbox
def test_a_server_that_dies_is_started_again():
    with Sandbox() as made:
        made.start()
        made.process.kill()
        made.process.wait()
        assert made.check(HONEST, TESTS).ok


@needs_sandbox
@pytest.mark.parametrize(
    ("without", "layer"),
    [
        ("k.enter_namespaces = lambda: []", "root"),
        ("k.landlock_version = lambda: 0", "landlock"),
    ],
)
def test_each_way_of_keeping_files_away_is_enough_alone(monkeypatch, without, layer):
    boot = box._BOOT.replace(
        "from sftmill.sandbox.server", f"import sftmill.sandbox.kernel as k; {without}; from sftmill.sandbox.server"
    )
    monkeypatch.setattr(box, "_BOOT", boot)
    with Sandbox() as made:
        try:
            made.start()
        except SandboxUnavailable as error:
            pytest.skip(str(error))
        assert not any(layer in name for name in made.layers)
        for name in ("password file", "repository", "inet socket", "writing a file", "signal to all", "environment"):
            assert made.check(ESCAPES[name], TESTS, limits=QUICK).ok is False, name
        assert made.check(HONEST, TESTS).ok


@needs_sandbox
def test_without_any_nothing_runs(monkeypatch):
    boot = box._BOOT.replace(
        "from sftmill.sandbox.server",
        "import sftmill.sandbox.kernel as k; k.enter_namespaces = lambda: []; k.landlock_version = lambda: 0; "
        "from sftmill.sandbox.server",
    )
    monkeypatch.setattr(box, "_BOOT", boot)
    with Sandbox() as made, pytest.raises(SandboxUnavailable, match="offers no sandbox"):
        made.check(HONEST, TESTS)


def test_on_another_system_nothing_runs(monkeypatch):
    monkeypatch.setattr(kernel, "supported_machine", lambda: False)
    with Sandbox() as made, pytest.raises(SandboxUnavailable, match="Linux"):
        made.check(HONEST, TESTS)


@needs_sandbox
def test_no_process_is_left_behind():
    with Sandbox() as made:
        made.start()
        process = made.process
        made.check("import time\ntime.sleep(100)", TESTS, limits=Limits(1, 0.2))
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
