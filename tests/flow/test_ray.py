"""The Ray engine on clusters of this machine: one raylet, two raylets, and what happens when parts of them die."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from ray_steps import told
from served import command, project, serving, start
from sftmill.core import answer, question
from sftmill.errors import BudgetExhausted, FailureCeiling, RunError
from sftmill.flow.losses import read_losses
from sftmill.flow.ray_cluster import look_around
from sftmill.flow.shards import Seal, ShardList, schema_of, shard_files, shard_name, write_shard
from sftmill.flow.spread import Tasks
from sftmill.models.settings import ModelSettings
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of the processes that it starts to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # and tells that it will leave visible devices alone on machines without any
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]

SMALL = {"object_store_memory": 100_000_000}
STEPS = Path(__file__).parents[1] / "ray_steps.py"


@pytest.fixture(scope="module")
def cluster():
    """Two raylets on loopback, with a core each."""
    from sftmill.flow.tables import be_quiet

    be_quiet()
    from ray.cluster_utils import Cluster

    quick = {"health_check_period_ms": 500, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 4}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick, **SMALL}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1, **SMALL)
    try:
        yield made
    finally:
        made.shutdown()


class Trial:
    """A recipe of 1,600 questions, in four shards, that can be run here and there."""

    def __init__(self, folder: Path, url: str, **settings):
        self.folder = folder
        self.notes = folder / "notes"
        self.extra = settings.pop("extra", "")
        self.model = settings.pop("model", "")
        self.rows = settings.pop("rows", 1600)
        self.before = settings.pop("before", "")
        self.url = url
        self.settings = {"use": f"{STEPS}:Tell", "notes": str(self.notes), **settings}

    def run(self, name: str, cluster=None, **options) -> dict:
        """Run it, with a ledger of its own that lies in the run's folder unless there is one already."""
        steps = f"[{self.before}{orjson.dumps(self.settings).decode()}]"
        ledger = f"ledger: '{self.folder / (options.pop('ledger', name) + '.sqlite')}'\n"
        recipe = project(self.folder, self.url, self.rows, steps, self.extra + ledger, self.model)
        where = {"engine": "ray", "address": cluster.address} if cluster else {}
        return run_recipe(load_recipe(recipe, None, True), self.folder / name, **where, **options)

    def bytes(self, name: str) -> dict[str, bytes]:
        """Return all shards and losses of a run."""
        folder = self.folder / name / "streams"
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}

    def stage(self, name: str) -> Path:
        """Return the folder of the asking stage."""
        return sorted((self.folder / name / "streams/main").iterdir())[-1]

    def answers(self, name: str) -> dict[str, str]:
        """Return the answers, by question."""
        return {question(row): answer(row) for row in ShardList(shard_files(self.stage(name))).rows()}

    def after(self, rows: int, act) -> threading.Thread:
        """Do something once so many rows have been begun."""

        def wait() -> None:
            end = time.monotonic() + 60
            while len(told(self.notes)) < rows and time.monotonic() < end:
                time.sleep(0.01)
            act()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


def test_one_machine_two_machines_and_no_cluster_write_the_same_bytes(tmp_path, cluster):
    with serving(latency=0.02) as endpoint:
        trial = Trial(tmp_path, endpoint.url, before=f"{{use: '{STEPS}:Breaks', poison: question 9}}, ")
        manifest = trial.run("two", cluster)
        machines = {machine for machine, _, _ in told(trial.notes)}
        assert endpoint.total == endpoint.unique == 1599
        trial.run("local")
        shell = start(
            "run", tmp_path / "recipe.yaml", "--run-dir", tmp_path / "one", "--engine", "ray", "--allow-code",
            "--set", f"ledger={tmp_path / 'one.sqlite'}",
        )  # fmt: skip
        out, err = shell.communicate(timeout=100)
    assert shell.returncode == 0, err
    assert "raylet" not in out + err
    assert len(machines) == 2
    assert trial.bytes("two") == trial.bytes("one") == trial.bytes("local")
    assert len(trial.bytes("two")) > 8
    assert manifest["calls"]["teacher"]["calls"] == 1599
    assert manifest["spent"][0]["answers"] == 1599
    status = orjson.loads((tmp_path / "two/status.json").read_bytes())
    assert status["budget"]["spent_tokens"] == sum(
        manifest["spent"][0][f"{k}_tokens"] for k in ("prompt", "completion")
    )


def test_documents_are_parsed_on_all_machines(tmp_path, cluster):
    (tmp_path / "books").mkdir()
    for number in range(300):
        (tmp_path / f"books/{number:03d}.md").write_text(
            f"# Book {number}\n\n" + f"It tells of the number {number}. " * 40
        )
    steps = f"[{{books: {{folder: books}}}}, {{use: '{STEPS}:Note', notes: notes}}, split]"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: small\nlang: en\nstreams:\n  main: {steps}\n")
    told_by = {}
    for name, where in (("ray", ["--engine", "ray", "--address", cluster.address]), ("local", [])):
        status, text = command("run", recipe, "--run-dir", tmp_path / name, "--allow-code", *where, cwd=tmp_path)
        assert status == 0, text
        told_by[name] = told(tmp_path / "notes")
        (tmp_path / "notes").unlink()
    made = [{p.name: p.read_bytes() for p in (tmp_path / n / "streams/main").rglob("*.parquet")} for n in told_by]
    assert made[0] == made[1]
    parents = {parent for parent, _, _ in told_by["ray"]}
    assert len(parents) > 1  # each is a process of the cluster, in which a worker walks the rows
    assert {parent for parent, _, _ in told_by["local"]}.isdisjoint(parents)


def test_equal_questions_on_different_machines_are_asked_once(tmp_path, cluster):
    with serving(latency=0.3) as endpoint:
        trial = Trial(tmp_path, endpoint.url, model=", sampling: {temperature: 0}")
        trial.run("first", cluster)
        (tmp_path / "in.jsonl").write_text("")
        recipe = project(tmp_path, endpoint.url, 1, "[respond]", "", ", sampling: {temperature: 0}")
        lines = [orjson.dumps({"question": f"same {n % 7}", "id": str(n)}).decode() for n in range(1200)]
        (tmp_path / "in.jsonl").write_text("\n".join(lines))
        before = endpoint.total
        run_recipe(load_recipe(recipe), tmp_path / "same", engine="ray", address=cluster.address)
        assert endpoint.total - before == 7


def test_a_worker_killed_in_the_middle_costs_its_shard_only(tmp_path, cluster):
    with serving(latency=0.1) as endpoint:
        trial = Trial(tmp_path, endpoint.url)
        killed = []

        def kill() -> None:
            killed.append(told(trial.notes)[-1][1])
            os.kill(killed[0], signal.SIGKILL)

        thread = trial.after(600, kill)
        trial.run("killed", cluster)
        thread.join()
        begun = told(trial.notes)
        trial.run("local")
    assert trial.bytes("killed") == trial.bytes("local")
    times = Counter(asked for _, _, asked in begun)
    again = {int(asked.rsplit(" ")[-1]) // 500 for asked, number in times.items() if number > 1}
    assert len(again) == 1
    assert max(times.values()) == 2


def test_a_row_that_always_kills_its_process_fails_and_costs_nobody_else(tmp_path, cluster):
    with serving() as endpoint:
        trial = Trial(tmp_path, endpoint.url, poison="question 700")
        manifest = trial.run("poisoned", cluster)
    counts = manifest["counts"]["main/01-Tell"]
    assert (counts["in"], counts["out"], counts["failed"]) == (1600, 1599, 1)
    failed = list(read_losses(trial.stage("poisoned"), "failed"))
    assert [question(row) for row in failed] == ["question 700"]
    assert failed[0]["reason"].startswith("WorkerDied")
    assert set(trial.answers("poisoned")) == {f"question {n}" for n in range(1600)} - {"question 700"}


def test_a_machine_lost_in_the_middle_costs_nothing_but_time(tmp_path, cluster):
    node = cluster.add_node(num_cpus=1, **SMALL)
    with serving(latency=0.2) as endpoint:
        trial = Trial(tmp_path, endpoint.url, rows=3000)
        thread = trial.after(1000, lambda: cluster.remove_node(node, allow_graceful=False))
        trial.run("lost", cluster)
        thread.join()
        trial.run("local")
    assert trial.bytes("lost") == trial.bytes("local")
    assert endpoint.unique == 3000


def test_the_cap_holds_on_two_machines_and_the_run_goes_on_when_it_is_raised(tmp_path, cluster):
    with serving(latency=0.01) as endpoint:
        trial = Trial(tmp_path, endpoint.url, model=", sampling: {max_tokens: 50}", extra="budget: {tokens: 30000}\n")
        with pytest.raises(BudgetExhausted, match=r"of 30,000 tokens are spent"):
            trial.run("capped", cluster)
        status = orjson.loads((tmp_path / "capped/status.json").read_bytes())
        assert 25_000 < status["budget"]["spent_tokens"] <= 30_000
        asked = endpoint.total
        trial.extra = "budget: {tokens: 50000}\n"
        with pytest.raises(BudgetExhausted):
            trial.run("capped")  # goes on without a cluster ...
        assert endpoint.total > asked
        trial.extra = ""
        trial.run("capped", cluster)  # ... and on one again
        assert endpoint.total == endpoint.unique == 1600
        assert len(trial.answers("capped")) == 1600


def test_too_many_failures_stop_the_run(tmp_path, cluster):
    from fake_endpoint import Fault

    with serving(by_body=lambda body: Fault(400, {"error": {"message": "no"}}), latency=0.05) as endpoint:
        trial = Trial(tmp_path, endpoint.url, rows=4000, extra="run: {failure_ceiling: 0.1, window: 64}\n")
        with pytest.raises(FailureCeiling, match="more than the ceiling of 10%"):
            trial.run("failing", cluster)
        assert endpoint.total < 4000


def test_ctrl_c_ends_the_run_in_good_order_and_it_goes_on(tmp_path, cluster):
    with serving(latency=0.3) as endpoint:
        trial = Trial(tmp_path, endpoint.url, rows=1200, extra="run: {window: 100}\n")
        trial.run("unused", limit=1)
        trial.notes.unlink()
        arguments = ("run", tmp_path / "recipe.yaml", "--run-dir", tmp_path / "stopped", "--allow-code",
                     "--engine", "ray", "--address", cluster.address, "--set", f"ledger={tmp_path / 's.sqlite'}")  # fmt: skip
        shell = start(*arguments)
        trial.after(100, lambda: shell.send_signal(signal.SIGINT)).join()
        out, err = shell.communicate(timeout=60)
        assert shell.returncode == 2, out + err
        assert "stopped by Ctrl-C" in err
        before = endpoint.total
        assert before < 1201
        assert command(*arguments)[0] == 0
        assert endpoint.total == 1201  # what was under way was kept


def test_frames_of_whole_data_steps_work_on_the_cluster(tmp_path, cluster):
    with serving() as endpoint:
        trial = Trial(tmp_path, endpoint.url, rows=40)
        trial.settings = {"use": f"{STEPS}:Longest"}
        trial.run("local")
        arguments = ("run", tmp_path / "recipe.yaml", "--run-dir", tmp_path / "ray", "--allow-code")
        status, text = command(*arguments, "--engine", "ray", "--address", cluster.address)
    assert status == 0, text
    here, there = (list(ShardList(shard_files(trial.stage(name))).rows()) for name in ("local", "ray"))
    assert [question(row) for row in here] == [question(row) for row in there] == ["question 10", "question 11"]
    assert (here[0]["title"], there[0]["title"]) == ("native", "ray")


def test_batches_of_whole_data_are_worked_on_by_all_machines(tmp_path, cluster):
    with serving() as endpoint:
        trial = Trial(tmp_path, endpoint.url, rows=40_000)
        trial.settings = {"use": f"{STEPS}:Sizes", "notes": str(trial.notes)}
        trial.run("local")
        assert {(machine, process) for machine, process, _ in told(trial.notes)} == {("here", os.getpid())}
        trial.notes.unlink()
        trial.run("ray", cluster)
    noted = told(trial.notes)
    assert os.getpid() not in {process for _, process, _ in noted}
    assert len({machine for machine, _, _ in noted}) == 2
    here, there = (next(iter(ShardList(shard_files(trial.stage(name))).rows())) for name in ("local", "ray"))
    assert here["title"] == there["title"]
    assert sum(rows for _, rows in eval(here["title"])) == 40_000


def test_work_on_batches_that_raises_or_dies_is_told_as_such(tmp_path, cluster):
    import ray

    files = [tmp_path / shard_name(index) for index in range(2)]
    for index, file in enumerate(files):
        write_shard(file, [{"id": f"{index}{n}"} for n in range(3)], schema_of([]), Seal("", ""))

    def refuse(first, batch):
        raise ValueError(f"no {first}")

    def die(first, batch):
        os._exit(13)

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        spread = Tasks(SimpleNamespace(cores=lambda: 2))
        with pytest.raises(ValueError, match=r"^no 0$"):
            list(spread.files(refuse, files, None))
        with pytest.raises(
            RunError, match=r"shards 00000 to 00001, ended 3 times \(WorkerCrashedError\); see `ray status`"
        ):
            list(spread.files(die, files, None))
    finally:
        ray.shutdown()


def test_copies_and_leaks_are_found_on_a_cluster_as_they_are_here(tmp_path, cluster):
    pytest.importorskip("numba", reason="pip install 'sftmill[scale]'")
    lines = [
        {"question": f"Which of the {n % 900} valves of line {n % 7} opens first, and why so?"} for n in range(3000)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(orjson.dumps(line).decode() + "\n" for line in lines))
    (tmp_path / "items.jsonl").write_bytes(orjson.dumps(lines[5]))
    steps = [
        {"samples": {"file": "rows.jsonl", "sensitivity": "public"}},
        {"dedup": {"how": "near", "threshold": 0.9}},
        {"decontaminate": {"against": "items.jsonl", "sensitivity": "public"}},
        {"dsir": {"target": "items.jsonl", "by": "question", "budget": 300}},
    ]
    recipe = {"name": "whole", "lang": ["en"], "streams": {"s": steps}}
    (tmp_path / "recipe.yaml").write_bytes(orjson.dumps(recipe))
    made = {}
    for name, where in (("local", {}), ("ray", {"engine": "ray", "address": cluster.address})):
        run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / name, **where)
        folder = tmp_path / name / "streams"
        made[name] = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}
    assert made["local"] == made["ray"]
    assert any("decontaminate/" in path for path in made["ray"])


def test_machines_without_the_key_are_named_before_anything_is_asked(tmp_path, cluster, monkeypatch):
    monkeypatch.setenv("KEY_OF_TEST", "secret-of-this-machine")
    with serving() as endpoint:
        trial = Trial(tmp_path, endpoint.url, model=", key_env: KEY_OF_TEST")
        with pytest.raises(
            RunError, match=r"(?s)on .*'teacher': the variable KEY_OF_TEST \(key_env\) is not set"
        ) as told:
            trial.run("keyless", cluster)
        assert "secret" not in str(told.value)
        assert endpoint.total == 0


def test_an_address_where_no_cluster_is_ends_with_a_remedy(tmp_path):
    with serving() as endpoint:
        trial = Trial(tmp_path, endpoint.url)

        for address, remedy in (("ray://127.0.0.1:1", "--address auto or HOST:PORT"), ("127.0.0.1:1", "ray status")):
            with pytest.raises(RunError, match=remedy):
                trial.run("nowhere", SimpleNamespace(address=address))


def test_what_a_machine_lacks_is_named(tmp_path):
    probe = tmp_path / "probe"
    settings = {"teacher": ModelSettings(endpoint="http://127.0.0.1/v1", key_env="NO_SUCH_VARIABLE")}
    found = look_around(str(probe), "word", "0.0.0", settings, [str(tmp_path / "words.txt")])
    assert len(found) == 4
    assert "is not seen" in found[0]
    assert "version" not in found[1] and "0.0.0" in found[1]
    assert "words.txt" in found[2]
    assert "NO_SUCH_VARIABLE" in found[3]
    probe.write_text("another word")
    assert "another folder of this name" in look_around(str(probe), "word", "0.0.0", {}, [])[0]
