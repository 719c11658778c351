"""Runs a command where there is no network but loopback: python .ci/offline.py COMMAND ...

A network namespace of its own is the proof that nothing is fetched: libraries written in C
cannot pass it by. Where the machine allows none, the command runs with a warning.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def leave_network() -> bool:
    """Move this process into a network namespace with loopback only; tell whether that worked."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return False
        for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    return True


if __name__ == "__main__":
    if leave_network():
        print("offline: only loopback is there", flush=True)
    else:
        print(
            "offline: this machine allows no network namespace; running with its network", file=sys.stderr, flush=True
        )
    os.execvp(sys.argv[1], sys.argv[1:])
