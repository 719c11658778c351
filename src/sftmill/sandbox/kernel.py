"""What the Linux kernel offers to close a process in, through ctypes: namespaces, Landlock, seccomp."""

import contextlib
import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

from sftmill.sandbox.syscalls import MACHINES, filter_program

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_CAPSET = {"x86_64": 126, "aarch64": 91}
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18

_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
# Rights that each version of Landlock's ABI knows, as a mask: 13 at first, then REFER, TRUNCATE, IOCTL_DEV.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS, _SCOPES = 3, 3
"""TCP bind and connect (from ABI 4); abstract sockets and signals (from ABI 6)."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(number: int, *arguments: object) -> int:
    syscall = _libc().syscall
    syscall.restype = ctypes.c_long
    return syscall(ctypes.c_long(number), *arguments)


def _prctl(option: int, value: object, *rest: object) -> None:
    zero = ctypes.c_ulong(0)
    given = [ctypes.c_ulong(value) if isinstance(value, int) else value, *rest]
    _checked(_libc().prctl(ctypes.c_int(option), *given, *[zero] * (4 - len(given))), f"prctl({option})")


def supported_machine() -> bool:
    """Tell whether this is Linux on a machine whose system calls are known."""
    return os.name == "posix" and platform.system() == "Linux" and platform.machine() in MACHINES


def die_with_parent() -> None:
    """Have this process killed when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def hide_memory() -> None:
    """Let no other process of this user look into this one or trace it."""
    _prctl(_PR_SET_DUMPABLE, 0)


def enter_namespaces() -> list[str]:
    """Move this process into namespaces of its own and return their names, as many as the machine allows.

    Process ids are new for the children of this process only.
    """
    uid, gid = os.geteuid(), os.getegid()
    libc = _libc()
    if libc.unshare(NEWUSER | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWNS) < 0:
        return []
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny", "ascii")
    try:
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", "ascii")
    except OSError:
        return ["user", "pid", "net", "ipc", "uts"]
    return ["user", "pid", "net", "ipc", "uts", "mount"]


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [w.encode() if w else None for w in (source, target, kind)]
    _checked(_libc().mount(*words, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def enter_root(readable: Iterable[Path], hidden: Iterable[Path], at: str = "/tmp") -> None:
    """Make a root directory that holds nothing but `readable` without `hidden`, read-only, and go into it.

    Needs a mount namespace of its own; raises OSError where the machine refuses a part of it.
    """
    _mount("", "/", "", _MS_REC | _MS_PRIVATE)
    readable, hidden = [p.resolve() for p in readable if p.is_dir()], [p.resolve() for p in hidden if p.is_dir()]
    kept = [(p, os.open(p, os.O_PATH | os.O_DIRECTORY)) for p in readable]  # `at` may lie above one of them
    _mount("tmpfs", at, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    try:
        for path, handle in kept:
            target = at + str(path)
            os.makedirs(target, exist_ok=True)
            _mount(f"/proc/self/fd/{handle}", target, "", _MS_BIND)
            _mount("", target, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
        for path in hidden:
            if any(path.is_relative_to(p) for p in readable):
                _mount("tmpfs", at + str(path), "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
        _mount("", at, "", _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    finally:
        for _, handle in kept:
            os.close(handle)
    os.chroot(at)
    os.chdir("/")


def landlock_version() -> int:
    """Return the version of Landlock's ABI, 0 where there is none."""
    return max(0, _call(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def landlock_rules(files: Iterable[Path], listable: Iterable[Path]) -> int:
    """Return a ruleset as a file descriptor: everything under `files` may be read, `listable` may be listed.

    Nothing else may be read, and nothing written. Raises OSError.
    """
    version = landlock_version()
    rights = _FILE_RIGHTS[min(max(version, 1), 5)]
    attributes = struct.pack("<Q", rights)
    if version >= 4:
        attributes += struct.pack("<Q", _NET_RIGHTS)
    if version >= 6:
        attributes += struct.pack("<Q", _SCOPES)
    ruleset = _checked(
        _call(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)), "landlock"
    )
    for paths, allowed in ((files, _READ_FILE | _READ_DIRECTORY), (listable, _READ_DIRECTORY)):
        for path in paths:
            try:
                handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            granted = allowed if path.is_dir() else allowed & ~_READ_DIRECTORY
            rule = struct.pack("<Qi", granted, handle)
            try:
                arguments = ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0)
                _checked(_call(_LANDLOCK_ADD, *arguments), f"landlock rule for {path}")
            finally:
                os.close(handle)
    return ruleset


def seal(ruleset: int | None) -> None:
    """Close this process in for good: no capabilities, no new rights, the Landlock rules, the seccomp filter."""
    machine = platform.machine()
    header, nothing = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    _checked(_call(_CAPSET[machine], header, nothing), "capset")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if ruleset is not None:
        _checked(_call(_LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0)), "landlock")
        os.close(ruleset)
    code = filter_program(machine)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    packed = ctypes.create_string_buffer(program, len(program))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(packed))
