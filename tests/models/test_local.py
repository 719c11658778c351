import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from sftmill.errors import ModelFileError, RunError
from sftmill.models import local
from sftmill.models.local import serve

FAKE_LIBRARY = """
import http.server, json, os, sys, threading
from types import SimpleNamespace

class CommonParams(SimpleNamespace):
    def __init__(self):
        super().__init__(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())

class Server:
    def __init__(self, params):
        print("printed by the library")
        behaviour = open(params.model.path, "rb").read()[4:].decode()
        if behaviour == "refuse":
            print("0.00 E load_model: the library says why", file=sys.stderr)
            raise RuntimeError("Failed to init server")
        if behaviour == "crash":
            os.abort()
        if behaviour == "hang":
            threading.Event().wait()
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"alias": sorted(params.model_alias), "context": params.n_ctx,
                                   "slots": params.n_parallel, "hosts": params.hostnames}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer((params.hostnames[0], params.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"
"""


@pytest.fixture(autouse=True)
def fake_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "xllamacpp.py").write_text(FAKE_LIBRARY)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(local.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for the processes that tests start
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: name)


@pytest.fixture
def make_file(tmp_path: Path):
    def make(behaviour: str = "") -> Path:
        file = tmp_path / "own.gguf"
        file.write_bytes(b"GGUF" + behaviour.encode())
        return file

    return make


def wait_until_gone(pid: int, seconds: float = 10.0) -> bool:
    """Wait until no process runs under the number; one that nobody has collected yet counts as gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_server_answers_until_it_is_closed(make_file, tmp_path):
    with serve(make_file(), slots=3, context=100, cache=tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:") and server.url.endswith("/v1")
        with urllib.request.urlopen(server.url.removesuffix("/v1") + "/props") as reply:
            assert reply.read() == b'{"alias": ["own"], "context": 300, "slots": 3, "hosts": ["127.0.0.1"]}'
        assert server.model == "own"
        assert len(server.revision) == 64
        assert b"printed by the library" in server.log.read_bytes()
        server.check()
        pid = server.pid
    assert wait_until_gone(pid)
    assert not server.log.exists()
    server.close()


def test_a_log_that_was_asked_for_is_kept(make_file, tmp_path):
    serve(make_file(), cache=tmp_path, log=tmp_path / "logs" / "server.log").close()
    assert (tmp_path / "logs" / "server.log").read_bytes()


def test_a_server_that_does_not_start_is_reported_with_its_log(make_file, tmp_path):
    with pytest.raises(RunError, match=r"of own ended with status 1(?s:.*)the library says why"):
        serve(make_file("refuse"), cache=tmp_path)


def test_a_server_that_crashes_is_reported_with_the_signal(make_file, tmp_path):
    with pytest.raises(RunError, match="was ended by SIGABRT"):
        serve(make_file("crash"), cache=tmp_path)


def test_a_server_that_never_gets_ready_is_ended(make_file, tmp_path):
    with pytest.raises(RunError, match=r"was not loaded within 0\.5 s"):
        serve(make_file("hang"), cache=tmp_path, patience=0.5)


def test_a_server_that_dies_later_is_noticed(make_file, tmp_path):
    with serve(make_file(), cache=tmp_path) as server:
        os.kill(server.pid, signal.SIGKILL)
        server._process.wait()
        with pytest.raises(RunError, match=r"was ended by SIGKILL(?s:.*)out of memory"):
            server.check()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_its_starter(make_file, tmp_path, sign):
    code = f"""
    import importlib.util, signal, sys, time
    from sftmill.models.local import serve
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server = serve({str(make_file())!r}, cache={str(tmp_path)!r})
    print(server.pid, flush=True)
    time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as starter:
        pid = int(starter.stdout.readline())
        starter.send_signal(sign)
    assert wait_until_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the signal")
def test_a_server_that_is_still_loading_ends_with_its_starter(make_file, tmp_path):
    code = f"""
    from sftmill.models.local import serve
    serve({str(make_file("hang"))!r}, cache={str(tmp_path)!r})
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.DEVNULL) as starter:
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (pids := children.read_text().split()):
            time.sleep(0.02)
        starter.kill()
    assert wait_until_gone(int(pids[0]))


def test_a_missing_library_is_answered_with_the_command_that_installs_it(make_file, tmp_path, monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"pip install 'sftmill\[local\]'"):
        serve(make_file(), cache=tmp_path)


def test_a_file_that_is_no_gguf_is_not_loaded(tmp_path):
    file = tmp_path / "page.gguf"
    file.write_bytes(b"<html>")
    with pytest.raises(ModelFileError, match="does not begin like a GGUF file"):
        serve(file, cache=tmp_path)
    with pytest.raises(ModelFileError, match="is not a file"):
        serve(tmp_path / "none.gguf", cache=tmp_path)


def test_a_model_that_is_not_there_yet_is_answered_with_the_command_that_fetches_it(tmp_path):
    with pytest.raises(ModelFileError, match="sftmill model fetch smollm2-135m-instruct"):
        serve("smollm2-135m-instruct", cache=tmp_path)


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"context": 0}, {"threads": 0}])
def test_settings_without_sense_are_refused(make_file, tmp_path, wrong):
    with pytest.raises(RunError, match="each must be at least 1"):
        serve(make_file(), cache=tmp_path, **wrong)


def test_threads_leave_a_core_free_where_there_is_more_than_one(monkeypatch):
    for cores, expected in ((1, (1, 1)), (2, (1, 2)), (8, (7, 8))):
        monkeypatch.setattr(local, "usable_cores", lambda cores=cores: cores)
        assert local.choose_threads() == expected


def test_the_cores_are_at_least_one_and_at_most_those_of_the_machine():
    assert 1 <= local.usable_cores() <= (os.cpu_count() or 1)
