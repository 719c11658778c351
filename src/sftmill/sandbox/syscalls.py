"""The system calls that a computation needs, by machine, as a filter program for seccomp.

Numbers are those of the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h).
"""

import errno
import struct

_X86 = (
    "read 0 write 1 close 3 stat 4 fstat 5 lstat 6 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12 rt_sigaction 13 "
    "rt_sigprocmask 14 rt_sigreturn 15 pread64 17 readv 19 writev 20 access 21 pipe 22 select 23 sched_yield 24 "
    "mremap 25 madvise 28 dup 32 dup2 33 nanosleep 35 getitimer 36 getpid 39 sendto 44 recvfrom 45 shutdown 48 exit 60 "
    "uname 63 getcwd 79 readlink 89 gettimeofday 96 getrlimit 97 getrusage 98 sysinfo 99 times 100 getuid 102 "
    "getgid 104 geteuid 107 getegid 108 getppid 110 sigaltstack 131 arch_prctl 158 gettid 186 time 201 futex 202 "
    "sched_getaffinity 204 getdents64 217 set_tid_address 218 restart_syscall 219 clock_gettime 228 clock_getres 229 "
    "clock_nanosleep 230 exit_group 231 epoll_wait 232 epoll_ctl 233 newfstatat 262 readlinkat 267 faccessat 269 "
    "pselect6 270 ppoll 271 set_robust_list 273 epoll_pwait 281 eventfd2 290 epoll_create1 291 dup3 292 pipe2 293 "
    "getcpu 309 getrandom 318 membarrier 324 statx 332 rseq 334 faccessat2 439"
)
_ARM = (
    "getcwd 17 eventfd2 19 epoll_create1 20 epoll_ctl 21 epoll_pwait 22 dup 23 dup3 24 faccessat 48 close 57 pipe2 59 "
    "getdents64 61 lseek 62 read 63 write 64 readv 65 writev 66 pread64 67 pselect6 72 ppoll 73 readlinkat 78 "
    "newfstatat 79 fstat 80 exit 93 exit_group 94 set_tid_address 96 futex 98 set_robust_list 99 nanosleep 101 "
    "getitimer 102 clock_gettime 113 clock_getres 114 clock_nanosleep 115 restart_syscall 128 sched_getaffinity 123 "
    "sched_yield 124 sigaltstack 132 rt_sigaction 134 rt_sigprocmask 135 rt_sigreturn 139 times 153 uname 160 "
    "getrlimit 163 getrusage 165 getcpu 168 gettimeofday 169 getpid 172 getppid 173 getuid 174 geteuid 175 getgid 176 "
    "getegid 177 gettid 178 sysinfo 179 sendto 206 recvfrom 207 shutdown 210 brk 214 munmap 215 mremap 216 mmap 222 "
    "mprotect 226 madvise 233 getrandom 278 membarrier 283 statx 291 rseq 293 faccessat2 439"
)
# Calls that are allowed with some arguments only.
_PARTLY_X86 = "open 2 ioctl 16 socketpair 53 clone 56 fcntl 72 prctl 157 openat 257 prlimit64 302 clone3 435"
_PARTLY_ARM = "fcntl 25 ioctl 29 openat 56 prctl 167 socketpair 199 clone 220 prlimit64 261 clone3 435"


def _table(text: str) -> dict[str, int]:
    words = str.split(text)
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


MACHINES = {
    "x86_64": (0xC000003E, _table(_X86), _table(_PARTLY_X86)),
    "aarch64": (0xC00000B7, _table(_ARM), _table(_PARTLY_ARM)),
}
"""Machine -> (its AUDIT_ARCH number, calls allowed, calls allowed with some arguments)."""

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000
"""O_ACCMODE, O_CREAT, O_TRUNC and the bit of O_TMPFILE: none may be set in what is opened."""
_THREAD, _NAMESPACES = 0x10000, 0x7E020080
_FCNTL = (1, 2, 3, 4, 1030)
"""F_GETFD, F_SETFD, F_GETFL, F_SETFL and F_DUPFD_CLOEXEC; F_SETOWN and F_SETSIG could send signals."""
_IOCTL = (0x5421, 0x5450, 0x5451)
"""FIONBIO, FIONCLEX and FIOCLEX."""
_NAME_A_THREAD = 15

Instruction = tuple[int, int, int, int]


def filter_program(machine: str) -> bytes:
    """Return the seccomp filter for a machine: what is not a computation fails with EPERM; raises KeyError."""
    arch, free, partly = MACHINES[machine]
    program: list[Instruction] = [_load(4), (_EQUAL, 1, 0, arch), _give(_KILL), _load(0)]
    if machine == "x86_64":  # the calls of the x32 ABI have numbers of their own
        program += [(_AT_LEAST, 0, 1, 0x40000000), _give(_ERROR | errno.EPERM)]
    for number in free.values():
        program += [(_EQUAL, 0, 1, number), _give(_ALLOW)]
    for name, number in partly.items():
        body = _rule(name)
        program += [(_EQUAL, 0, len(body), number), *body]
    program.append(_give(_ERROR | errno.EPERM))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _rule(name: str) -> list[Instruction]:
    """Return what decides about one call; it ends with a return whatever the arguments."""
    refuse = _give(_ERROR | errno.EPERM)
    if name in ("open", "openat"):
        return [_argument(1 if name == "open" else 2), (_AND, 0, 0, _WRITING), *_if_equal(0), refuse]
    if name == "clone":
        return [_argument(0), (_AND, 0, 0, _THREAD | _NAMESPACES), *_if_equal(_THREAD), refuse]
    if name == "clone3":  # its flags lie in memory, out of sight; without it the C library takes clone
        return [_give(_ERROR | errno.ENOSYS)]
    if name == "ioctl":
        return [_argument(1), *[i for request in _IOCTL for i in _if_equal(request)], _give(_ERROR | errno.ENOTTY)]
    if name == "fcntl":
        return [_argument(1), *[i for command in _FCNTL for i in _if_equal(command)], refuse]
    if name == "prctl":
        return [_argument(0), *_if_equal(_NAME_A_THREAD), refuse]
    if name == "prlimit64":  # reading limits, not setting them: the new limit is a null pointer
        return [_argument(2), (_EQUAL, 0, 3, 0), _argument(2, high=True), *_if_equal(0), refuse]
    # socketpair: a stream within this process, for event loops
    return [_argument(0), (_EQUAL, 0, 4, 1), _argument(1), (_AND, 0, 0, 0xF), *_if_equal(1), refuse]


def _load(offset: int) -> Instruction:
    return _LOAD, 0, 0, offset


def _argument(index: int, high: bool = False) -> Instruction:
    """Load half of an argument; both machines are little-endian."""
    return _load(16 + 8 * index + (4 if high else 0))


def _give(value: int) -> Instruction:
    return _RETURN, 0, 0, value


def _if_equal(value: int) -> list[Instruction]:
    return [(_EQUAL, 0, 1, value), _give(_ALLOW)]
