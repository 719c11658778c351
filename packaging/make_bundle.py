"""Make one archive that installs sftmill without any registry: python packaging/make_bundle.py

It holds the wheels of everything in requirements.txt and of sftmill itself for the Python and the platform
that run this, the weights asked for, the demo, SHA256SUMS over all of it, install.sh and a README.
The same inputs give the same bytes: files in order of name, one time stamp, no owner.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
STAMP = 1577836800
"""Time of every file in the archive: 1 January 2020, UTC; a date that zip, tar and all file systems can hold."""


def main(arguments: list[str] | None = None) -> Path:
    """Make the archive, say how large it is, and return its path."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--weights", action="append", metavar="NAME", help="an embedded model to put in; may be repeated"
    )
    parser.add_argument(
        "--no-weights", action="store_true", help="put no model in; else those that are fetched already"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the archive")
    options = parser.parse_args(arguments)
    if options.weights and options.no_weights:
        parser.error("--weights and --no-weights exclude each other; give one of them")
    weights = [] if options.no_weights else find_weights(options.weights)
    name = f"sftmill-{version()}-{platform_name()}-py{sys.version_info.major}{sys.version_info.minor}"
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / name
        collect_wheels(staged / "wheels")
        lay_out(staged, [file.name for file in weights])
        files = {f"weights/{file.name}": file for file in weights}
        archive = pack(staged, files, options.out / f"{name}.tar")
    print(f"{archive}: {archive.stat().st_size / 2**20:,.0f} MiB")
    print("on the other machine: tar xf the archive, then sh install.sh in its folder")
    return archive


def version() -> str:
    """Return the version that pyproject.toml states."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def platform_name() -> str:
    """Return the platform that the wheels are for, such as linux-x86_64."""
    return re.sub(r"[^\w-]+", "_", sysconfig.get_platform())


def find_weights(names: list[str] | None) -> list[Path]:
    """Return the verified files of the models named, fetched where they are not there, or of all that are there."""
    sys.path.insert(0, str(ROOT / "src"))
    from sftmill.errors import ModelFileError
    from sftmill.models.model_fetch import fetch
    from sftmill.models.model_files import MODELS, find

    try:
        if names is None:
            return sorted(file for file in map(find, MODELS) if file)
        return sorted(find(name) or fetch(name) for name in dict.fromkeys(names))
    except ModelFileError as error:
        sys.exit(f"make_bundle: {error}")


def collect_wheels(folder: Path) -> None:
    """Download the wheels of requirements.txt and build the one of sftmill."""
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip"]
    requirements = ROOT / "requirements.txt"
    settings = {"SOURCE_DATE_EPOCH": str(STAMP), "PYTHONPATH": str(ROOT / "src")}
    download = [*pip, "download", "--quiet", "--only-binary=:all:", "--dest", str(folder), "-r", str(requirements)]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    # a tree in the middle of an edit makes no archive
    whole = [sys.executable, "-c", "import sftmill.cli, sftmill.steps"]
    for command in (whole, download, build):
        if subprocess.run(command, env={**os.environ, **settings}).returncode:
            sys.exit(f"make_bundle: {' '.join(command)} failed; see above, mend it and run again")


def lay_out(staged: Path, weights: Iterable[str]) -> None:
    """Write everything but wheels and weights: the installer, the README, the demo."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    values = {
        "@VERSION@": version(),
        "@PYTHON@": python,
        "@SYSTEM@": os.uname().sysname if hasattr(os, "uname") else "Windows",
        "@MACHINE@": os.uname().machine if hasattr(os, "uname") else "AMD64",
        "@WEIGHTS@": ", ".join(weights) or "-",
    }
    for source, target in (("install.sh", "install.sh"), ("BUNDLE.md", "README.md")):
        text = (HERE / source).read_text("utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        (staged / target).write_text(text, "utf-8", newline="\n")
    shutil.copy(ROOT / "requirements.txt", staged)
    shutil.copy(ROOT / "LICENSE", staged)
    demo = staged / "demo"
    demo.mkdir()
    recipe = (ROOT / "recipes" / "demo.yaml").read_text("utf-8")
    (demo / "demo.yaml").write_text(recipe.replace("../src/sftmill/sample", "sample"), "utf-8", newline="\n")
    shutil.copytree(
        ROOT / "src" / "sftmill" / "sample", demo / "sample", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )


def pack(staged: Path, more: dict[str, Path], archive: Path) -> Path:
    """Write SHA256SUMS and the archive: all files of `staged`, and `more` under the paths given.

    The archive appears under its name only when it is whole. Its own sum stands beside it in ARCHIVE.sha256.
    """
    files = {file.relative_to(staged).as_posix(): file for file in staged.rglob("*") if file.is_file()} | more
    files.pop("SHA256SUMS", None)
    sums = staged / "SHA256SUMS"
    lines = [f"{sha256(file)}  {name}\n" for name, file in sorted(files.items())]
    sums.write_text("".join(lines), "utf-8", newline="\n")
    files["SHA256SUMS"] = sums
    part = archive.with_name(archive.name + ".part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, file in sorted(files.items()):
            entry = tarfile.TarInfo(f"{staged.name}/{name}")
            entry.size = file.stat().st_size
            entry.mtime = STAMP
            entry.mode = 0o755 if name.endswith(".sh") else 0o644
            with open(file, "rb") as stream:
                tar.addfile(entry, stream)
    os.replace(part, archive)
    beside = archive.with_name(archive.name + ".sha256")
    beside.write_text(f"{sha256(archive)}  {archive.name}\n", "utf-8", newline="\n")
    return archive


def sha256(file: Path) -> str:
    """Return a file's SHA-256, hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    main()
