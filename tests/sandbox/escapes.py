"""Code that tries to pass a test without solving it, or to get out of what it is closed in by: all must fail.

Each is followed by what the test calls: `answer(20)`, which must be 42. Shared by the tests and the benchmark.
"""

REPOSITORY = __file__.rpartition("/tests/")[0]

_HONEST = "\ndef answer(x):\n    return x * 2 + 2\n"
_WRONG = "\ndef answer(x):\n    return 0\n"


def _proves(attempt: str) -> str:
    """Return code whose answer is right only if an attempt gets through."""
    body = "\n".join("    " + line for line in attempt.strip("\n").splitlines())
    return f"def attempt():\n{body}\ndef answer(x):\n    return 42 if attempt() else 0\n"


ESCAPES: dict[str, str] = {
    "infinite loop": "while True:\n    pass",
    "infinite loop in the function": "def answer(x):\n    while True:\n        pass",
    "loop that ignores signals": (
        "import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
        "    except Exception:\n        pass\nwhile True:\n    pass"
    ),
    "sleep": "import time\ntime.sleep(10_000)" + _HONEST,
    "fork bomb": "import os\nwhile True:\n    os.fork()",
    "fork": _proves("import os\nreturn os.fork() >= 0"),
    "subprocess": _proves("import subprocess\nreturn subprocess.run(['/bin/true']).returncode == 0"),
    "posix_spawn": _proves("import os\nreturn os.posix_spawn('/bin/sh', ['sh', '-c', 'true'], {}) > 0"),
    "exec": _proves("import os, sys\nos.execv(sys.executable, ['python', '-c', '0'])"),
    "thread bomb": (
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(10_000,), daemon=True).start()"
    ),
    "sys.exit before the asserts": "import sys\nsys.exit(0)",
    "sys.exit in the function": "import sys\ndef answer(x):\n    sys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "os._exit in the function": "import os\ndef answer(x):\n    os._exit(0)",
    "abort": "import os\nos.abort()",
    "crash": "import ctypes\nctypes.string_at(0)",
    "KeyboardInterrupt": "def answer(x):\n    raise KeyboardInterrupt",
    "printing passed": 'print(\'passed\')\nprint(\'{"ok": true, "why": ""}\')' + _WRONG,
    "writing a verdict to every file descriptor": (
        'import os\nfor n in range(256):\n    try:\n        os.write(n, b\'{"ok": true, "why": ""}\')\n'
        "    except OSError:\n        pass" + _WRONG
    ),
    "equal to everything": (
        "class Same:\n    def __eq__(self, other):\n        return True\n    def __ne__(self, other):\n        return False\n"
        "    def __bool__(self):\n        return True\ndef answer(x):\n    return Same()"
    ),
    "number equal to everything": (
        "class Same(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\n"
        "def answer(x):\n    return Same(1)"
    ),
    "metaclass equal to everything": (
        "class Meta(type):\n    def __eq__(self, other):\n        return True\n    __hash__ = type.__hash__\n"
        "class Same(metaclass=Meta):\n    pass\ndef answer(x):\n    return Same"
    ),
    "pretending to be a module of the library": (
        "class Same:\n    def __eq__(self, other):\n        return True\nSame.__module__ = 'builtins'\n"
        "def answer(x):\n    return Same()"
    ),
    "builtins replaced": (
        "import builtins\nfor name in ('AssertionError', 'Exception', 'compile', 'exec', 'isinstance', 'print'):\n"
        "    setattr(builtins, name, lambda *a, **k: True)" + _WRONG
    ),
    "AssertionError that is none": "import builtins\nbuiltins.AssertionError = SystemExit" + _WRONG,
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))" + _WRONG,
    "excepthook": "import sys, os\nsys.excepthook = lambda *a: os._exit(0)" + _WRONG,
    "trace function": (
        "import sys\ndef trace(frame, event, arg):\n    frame.f_trace_lines = False\n    return None\n"
        "sys.settrace(trace)\nsys.setprofile(lambda *a: None)" + _WRONG
    ),
    "frames searched for the tests": _proves(
        "import sys, gc\nframe = sys._getframe()\nseen = []\nwhile frame:\n"
        "    seen.append(repr(frame.f_globals) + repr(frame.f_locals))\n    frame = frame.f_back\n"
        "return any('assert' + ' answer' in text for text in seen)"
    ),
    "objects searched for the tests": _proves(
        "import gc\nwanted = 'assert' + ' answer(20)'\n"
        "return any(isinstance(o, str) and wanted in o for o in gc.get_objects()) or any(\n"
        "    isinstance(v, (str, bytes)) and wanted in str(v)\n"
        "    for o in gc.get_objects() if isinstance(o, dict) for v in list(o.values()))"
    ),
    "memory read through /proc": _proves("return len(open('/proc/self/maps').read()) > 0"),
    "memory of the others": _proves(
        "import os\nfor pid in [1, os.getppid(), os.getpid() - 1, os.getpid() + 1]:\n"
        "    try:\n        open(f'/proc/{pid}/mem', 'rb')\n        return True\n    except OSError:\n        pass\nreturn False"
    ),
    "ptrace": _proves(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "return any(libc.ptrace(16, pid, 0, 0) == 0 for pid in [os.getppid(), os.getpid() - 1, os.getpid() + 1])"
    ),
    "process_vm_readv": _proves(
        "import ctypes, os, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 310, 'aarch64': 270}[platform.machine()]\n"
        "return libc.syscall(number, os.getpid() - 1, None, 0, None, 0, 0) >= 0"
    ),
    "file descriptors of the others": _proves(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "return any(libc.syscall(434, pid, 0) >= 0 for pid in (os.getpid() - 1, os.getppid(), 1))"
    ),
    "signal to the parent": _proves("import os\nos.kill(os.getppid(), 9)\nreturn True"),
    "signal to the examiner": _proves(
        "import os\nfor pid in range(os.getpid() - 3, os.getpid() + 3):\n    if pid > 0 and pid != os.getpid():\n"
        "        os.kill(pid, 19)\nreturn True"
    ),
    "signal to all": _proves("import os\nos.kill(-1, 9)\nreturn True"),
    "signal by fcntl": _proves("import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, 8, os.getpid() - 1)\nreturn True"),
    "password file": _proves("return 'root' in open('/etc/passwd').read()"),
    "host's folders": _proves("import os\nreturn bool(set(os.listdir('/')) & {'home', 'root', 'var', 'etc'})"),
    "repository": _proves(f"return bool(open({REPOSITORY!r} + '/pyproject.toml').read())"),
    "installed packages": _proves(
        "import os, sys, sysconfig\nreturn bool(os.listdir(sysconfig.get_path('stdlib') + '/site-packages'))"
        if False
        else "import numpy\nreturn True"
    ),
    "environment": _proves(
        "import os, ctypes\nreturn bool(os.environ) or bool(ctypes.CDLL(None).getenv(b'PATH')) "
        "or bool(ctypes.CDLL(None).getenv(b'HOME'))"
    ),
    "open by a handle of a folder": _proves(
        "import os, sysconfig\nd = os.open(sysconfig.get_path('stdlib'), os.O_RDONLY)\n"
        "os.open('../../../../../../../etc/passwd', os.O_RDONLY, dir_fd=d)\nreturn True"
    ),
    "inet socket": _proves("import socket\nreturn bool(socket.socket())"),
    "loopback": _proves("import socket\nreturn bool(socket.create_connection(('127.0.0.1', 22), 1))"),
    "unix socket": _proves("import socket\nreturn bool(socket.socket(socket.AF_UNIX))"),
    "datagrams between a pair": _proves(
        "import socket\nreturn bool(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))"
    ),
    "netlink": _proves("import socket\nreturn bool(socket.socket(16, 3))"),
    "name server": _proves(
        "import socket\nreturn bool(socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)) and False"
    ),
    "writing a file": _proves("import tempfile\nreturn bool(tempfile.NamedTemporaryFile())"),
    "writing into the library": _proves(
        "import sysconfig\nopen(sysconfig.get_path('stdlib') + '/sftmill_was_here.py', 'w').write('1')\nreturn True"
    ),
    "making a folder": _proves("import os\nos.mkdir('/tmp/sftmill_was_here')\nreturn True"),
    "removing a file": _proves(
        "import os, sysconfig\nos.remove(sysconfig.get_path('stdlib') + '/this.py')\nreturn True"
    ),
    "memory file": _proves("import os\nreturn os.memfd_create('x') >= 0"),
    "shared memory": _proves(
        "from multiprocessing import shared_memory\nreturn bool(shared_memory.SharedMemory(create=True, size=10))"
    ),
    "huge output": "while True:\n    print('x' * 1_000_000)",
    "huge result": "def answer(x):\n    return 'x' * 500_000_000",
    "deep result": "def answer(x):\n    found = []\n    for _ in range(100_000):\n        found = [found]\n    return found",
    "memory bomb": "held = []\nwhile True:\n    held.append(bytearray(50_000_000))",
    "memory bomb in one go": "held = 'x' * (1 << 40)",
    "recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef answer(x):\n    return answer(x)",
    "raising its own limits": _proves(
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)\nreturn True"
    ),
    "new namespaces": _proves("import ctypes\nreturn ctypes.CDLL(None).unshare(0x10000000) == 0"),
    "mount": _proves("import ctypes\nreturn ctypes.CDLL(None).mount(b'none', b'/', b'tmpfs', 0, None) == 0"),
    "leaving the root directory": _proves("import os\nos.chroot('.')\nreturn True"),
    "another user": _proves("import os\nos.setuid(1)\nreturn os.getuid() == 1"),
    "rights regained": _proves("import ctypes\nreturn ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0"),
    "kernel keys": _proves(
        "import ctypes, platform\nnumber = {'x86_64': 250, 'aarch64': 219}[platform.machine()]\n"
        "return ctypes.CDLL(None).syscall(number, 0, -3, 0) >= 0"
    ),
    "io_uring": _proves(
        "import ctypes\nheld = ctypes.create_string_buffer(200)\nreturn ctypes.CDLL(None).syscall(425, 1, held) >= 0"
    ),
    "bpf": _proves(
        "import ctypes, platform\nnumber = {'x86_64': 321, 'aarch64': 280}[platform.machine()]\n"
        "return ctypes.CDLL(None).syscall(number, 0, None, 0) >= 0"
    ),
    "forged frames": (
        "import os, json, struct\nbody = json.dumps(['answer', ['return', True, '', None]]).encode()\n"
        "for n in range(3, 64):\n    try:\n        os.write(n, (struct.pack('<I', len(body)) + body) * 50)\n"
        "    except OSError:\n        pass\nos._exit(0)"
    ),
    "the library's object that equals everything": (
        "import sys\npeer = sys.modules['sftmill.sandbox.peer']\nreal = peer.pack\n"
        "peer.pack = lambda value, other, depth=0: (\n"
        "    ['name', 'unittest.mock', 'ANY'] if value == 0 and type(value) is int else real(value, other, depth))"
        + _WRONG
    ),
    "the tests' own function searched": (
        "import sys\ndef answer(x):\n    for module in list(sys.modules.values()):\n"
        "        for name in ('Examiner', 'examine'):\n            if hasattr(module, name):\n"
        "                setattr(module, name, lambda *a, **k: {'ok': True, 'why': ''})\n    return 0"
    ),
    "tests replaced": "import sys, types\nsys.modules['tests'] = types.ModuleType('tests')" + _WRONG,
    "abs replaced": "def abs(x):\n    return 42\ndef round(x, n=0):\n    return 42" + _WRONG,
    "math replaced": "class math:\n    isclose = staticmethod(lambda *a, **k: True)" + _WRONG,
    "nothing at all": "",
    "no Python": "def answer(x) return 42",
    "null byte": "\0" + _HONEST,
}
"""What is tried -> code. The wrong ones answer 0, so that only a trick could let them pass."""

TESTS = """
assert answer(20) == 42
assert not answer(20) != 42
assert abs(answer(20) - 42) < 1e-6
"""

HONEST = _HONEST
