import sqlite3
from collections import namedtuple
from datetime import timedelta

import pytest

from fake_endpoint import Fault, last_message
from served import project, serving
from sftmill.doctor import Finding, endpoint, examine, machine, this_machine
from sftmill.doctor.endpoint import endpoints
from sftmill.doctor.fonts import chinese_fonts
from sftmill.doctor.ledger import ledger_findings
from sftmill.event_loop import run_loop
from sftmill.models.ledger import Ledger
from sftmill.models.settings import ModelSettings

LOGPROBS = {"content": [{"token": "yes", "logprob": -0.1, "top_logprobs": []}]}


def able(body):
    """Answer like a server that can do everything."""
    if "response_format" in body:
        return '{"colour": "blue", "letters": 4}'
    return {"content": "twelve", "logprobs": LOGPROBS if body.get("logprobs") else None}


def ask(answers=able, settings=None, **options):
    """Return the findings about one role, by what was looked at, and the endpoint."""
    with serving(answers=answers, **options) as server:
        chosen = ModelSettings(
            endpoint=server.url, **{"model": "fake", "revision": "1", "context": 4096, **(settings or {})}
        )
        found = run_loop(endpoints({"teacher": chosen}))
        return {f.what.removeprefix("teacher: "): f for f in found}, server


def test_an_endpoint_that_can_do_everything_is_all_ok():
    found, server = ask()
    assert {f.mark for f in found.values()} == {"ok"}, found
    assert {
        "models",
        "chat",
        "JSON schema",
        "n > 1",
        "raw completion",
        "log-probabilities",
        "thinking",
        "clock",
    } <= found.keys()
    assert server.total < 12


@pytest.mark.parametrize(
    ("what", "refuses"),
    [
        ("JSON schema", lambda body: "response_format" in body),
        ("n > 1", lambda body: body.get("n", 1) > 1),
        ("raw completion", lambda body: "prompt" in body),
        ("log-probabilities", lambda body: "logprobs" in body),
    ],
)
def test_what_an_endpoint_refuses_is_weak_and_has_its_cost(what, refuses):
    found, _ = ask(by_body=lambda body: Fault(400, {"error": {"message": "not supported"}}) if refuses(body) else None)
    assert [name for name, f in found.items() if f.mark != "ok"] == [what]
    assert found[what].cost and "not supported" in found[what].found


def test_what_an_endpoint_ignores_is_weak_too():
    def forgets(body):
        return ["blue"]  # one answer, as plain text, without log-probabilities

    found, _ = ask(forgets)
    weak = {name for name, f in found.items() if f.mark == "weak"}
    assert weak == {"JSON schema", "n > 1", "log-probabilities"}


def test_a_model_that_is_not_listed_is_told_with_those_that_are():
    found, _ = ask(models=("qwen", "glm"))
    assert found["models"].mark == "weak" and "glm, qwen" in found["models"].found


def test_several_models_and_none_named_is_missing():
    found, _ = ask(models=("qwen", "glm"), settings={"model": ""})
    assert [f.mark for f in found.values()] == ["missing"]


@pytest.mark.parametrize("switch", [number for number, _ in enumerate(endpoint.SWITCHES)])
def test_a_model_that_thinks_is_told_how_to_be_switched_off(switch):
    line, extra = endpoint.SWITCHES[switch]

    def thinks(body):
        if extra.items() <= body.items():
            return "12"
        return {"content": "12", "reasoning_content": "seven and five"}

    found, _ = ask(thinks)
    assert found["thinking"].mark == "weak" and found["thinking"].command == line


def test_a_model_that_cannot_stop_thinking_says_so():
    found, _ = ask(lambda body: "<think>seven and five</think>12")
    assert "no known switch" in found["thinking"].found


def test_what_is_not_declared_is_weak():
    found, _ = ask(settings={"revision": None, "context": None})
    assert found["revision"].mark == found["context"].mark == "weak"
    assert "ledger" in found["revision"].cost


def test_keys_are_never_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret-1234567890")
    refused = Fault(401, {"error": {"message": "bad key sk-very-secret-1234567890"}})
    found, server = ask(by_body=lambda body: refused, settings={"key_env": "MY_KEY"})
    assert found["chat"].mark == "missing" and found["chat"].command == "export MY_KEY=..."
    assert "very-secret" not in str(found)
    assert "very-secret" in str(server.headers)


def test_a_key_that_is_not_set_names_its_variable(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    found, _ = ask(settings={"key_env": "MY_KEY"})
    assert "MY_KEY" in found["teacher"].found and found["teacher"].mark == "missing"


def test_an_endpoint_that_is_away_is_missing():
    found = run_loop(endpoints({"teacher": ModelSettings(endpoint="http://127.0.0.1:9/v1", model="x")}))
    assert {f.mark for f in found if "chat" in f.what} == {"missing"}


def test_an_endpoint_that_only_embeds_is_fine_as_an_embedder():
    found, _ = ask(by_body=lambda body: Fault(404, "no such path") if "input" not in body else None)
    assert found["embeddings"].mark == "ok" and "chat" not in found


def test_every_key_and_replica_is_asked(monkeypatch):
    monkeypatch.setenv("KEY_A", "aaaaaaaa")
    monkeypatch.setenv("KEY_B", "bbbbbbbb")
    found, server = ask(settings={"key_env": ("KEY_A", "KEY_B")})
    assert sum("chat" in name for name in found) == 2
    assert any("KEY_A" in name for name in found) and any("KEY_B" in name for name in found)
    assert {h["Authorization"] for h in server.headers} == {"Bearer aaaaaaaa", "Bearer bbbbbbbb"}


def test_a_clock_that_is_wrong_is_weak(monkeypatch):
    real = endpoint.parsedate_to_datetime
    monkeypatch.setattr(endpoint, "parsedate_to_datetime", lambda stamp: real(stamp) - timedelta(hours=1))
    found, _ = ask()
    assert found["clock"].mark == "weak" and "60 minutes ahead of" in found["clock"].found


def test_a_script_is_not_asked(tmp_path):
    (found,) = run_loop(endpoints({"teacher": ModelSettings(scripted=str(tmp_path / "a.yaml"))}))
    assert found.mark == "ok"


def test_with_a_recipe_machine_and_endpoints_are_looked_at(tmp_path):
    with serving(answers=able) as server:
        found = examine(project(tmp_path, server.url))
    assert all(isinstance(f, Finding) for f in found)
    assert {"Python", "disk", "teacher: chat"} <= {f.what for f in found}
    assert "Say hello" in last_message(server.bodies[0])


# --- the machine -----------------------------------------------------------------------------------


def test_every_finding_about_the_machine_that_is_not_ok_has_its_cost(tmp_path):
    found = machine(runs=tmp_path / "runs")
    assert all(f.cost for f in found if f.mark != "ok")
    assert {"Python", "cores", "memory", "open files", "disk", "disk speed", "ledger", "Chinese font"} <= {
        f.what for f in found
    }
    assert not (tmp_path / "runs").exists()


def test_little_disk_is_weak(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10 << 30, 9 << 30, 1 << 30))
    found = {f.what: f for f in machine(runs=tmp_path)}
    assert found["disk"].mark == "weak" and "4 to 10 GiB" in found["disk"].cost


def test_a_slow_disk_and_one_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(this_machine, "write_speed", lambda *_: 1e6)
    assert {f.what: f for f in machine(runs=tmp_path)}["disk speed"].mark == "weak"

    def refuses(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(this_machine, "write_speed", refuses)
    assert {f.what: f for f in machine(runs=tmp_path)}["disk speed"].mark == "missing"


def test_an_extra_that_the_recipe_needs_is_missing_and_others_are_weak(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = {f.what: f for f in machine(needs=("local",))}
    assert found["extra local"].mark == "missing" and found["extra ner"].mark == "weak"
    assert "rules" in found["extra ner"].cost and found["extra ner"].command == "pip install 'sftmill[ner]'"


def test_fonts_are_found_by_their_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "NotoSansCJK-Regular.ttc").touch()
    (tmp_path / "a" / "DejaVuSans.ttf").touch()
    assert chinese_fonts([str(tmp_path)], None) == ["NotoSansCJK-Regular.ttc"]
    assert chinese_fonts([str(tmp_path / "b")], "no-such-program") == []


# --- the ledger ------------------------------------------------------------------------------------


def test_a_ledger_that_is_not_there_yet_is_fine_and_stays_away(tmp_path):
    (found,) = ledger_findings(tmp_path / "ledger.sqlite")
    assert found.mark == "ok" and not list(tmp_path.iterdir())


def test_a_whole_ledger_is_ok(tmp_path):
    Ledger.open(tmp_path / "ledger.sqlite").close()
    (found,) = ledger_findings(tmp_path / "ledger.sqlite")
    assert found.mark == "ok" and "0 answers" in found.found and "whole" in found.found


def test_a_damaged_ledger_is_missing_with_the_way_to_save_it(tmp_path):
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(b"no database at all" * 1000)
    (found,) = ledger_findings(file)
    assert found.mark == "missing" and ".recover" in found.command


def test_the_file_of_another_program_is_missing(tmp_path):
    file = tmp_path / "ledger.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    (found,) = ledger_findings(file)
    assert found.mark == "missing" and "another program" in found.found


def test_a_ledger_on_a_network_file_system_is_refused(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / {tmp_path} rw - nfs4 server:/x rw\n")
    (found,) = ledger_findings(tmp_path / "ledger.sqlite", mounts)
    assert found.mark == "missing" and "network file system" in found.found


def test_a_remedy_has_cost_and_command():
    assert Finding("weak", "a", "b", "c", "d").remedy == "as it is: c; d"
    assert Finding("ok", "a", "b").remedy == ""
