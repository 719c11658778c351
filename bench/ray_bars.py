"""Whether a Ray cluster writes what one machine writes, byte by byte, and what it costs.

    python bench/ray_bars.py --quick
    python bench/ray_bars.py --full

The clusters are on this machine: one raylet started by the run itself, and two on loopback. Quick takes 60 passages and
leaves the single raylet out, full takes 15,000. The answers come from the mock endpoint; the first run fills the ledger,
and the others find everything in it. With --full that is the run on two raylets, with --quick the local one.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import CannotMeasure, Result, measure_bars, say
from endpoint import Mock, build_mock
from million_bars import run_to_end, write_books
from processes import Program, Usage, sftmill

PASSAGES = {True: 60, False: 15_000}
CARD = "DATA_CARD.md"
STORE = 150_000_000
"""Bytes of memory for Ray's objects in each raylet."""


def ray_same_bytes(quick: bool) -> list[Result]:
    """Run a recipe on two raylets, on one (not with quick) and without Ray, over one ledger, and compare what they wrote."""
    if find_spec("ray") is None:
        raise CannotMeasure("Ray is not installed; pip install 'sftmill[ray]'")
    with TemporaryDirectory() as temporary, Mock(build_mock(), latency_ms=20) as mock:
        folder = Path(temporary)
        write_project(folder, mock.url, PASSAGES[quick])
        if quick:
            usages = while_a_cluster_starts(folder)
        else:
            usages = {"two": on_two_raylets(folder), "one": run(folder, "one", "--engine", "ray")}
            usages["local"] = run(folder, "local")
        made = {name: files(folder / name) for name in usages}
        first, *others = usages
        asked = {name: calls(folder / name) for name in usages}
        samples = manifest(folder / "two")["counts"]["finish/01-export"]["out"]
        twice = mock.stats()["total"] - mock.stats()["unique"]
    broken = [f"{twice} calls were made twice"] if twice else []
    different: set[str] = set()
    for name in others:
        paths = made[first].keys() | made[name].keys()
        different |= {path for path in paths if made[first].get(path) != made[name].get(path)}
        if asked[name]:
            broken.append(f"{name} asked {asked[name]} questions that were in the ledger")
    if different:
        broken.append(f"the first that differs is {min(different)}")
    took = ", ".join(f"{name} {usage.seconds:.0f} s" for name, usage in usages.items())
    note = f"{len(made[first])} files compared, {samples:,} samples, {asked[first]:,} calls; {took}"
    return [Result("ray_same_bytes", len(different), 0, unit="files", note=note, broken="; ".join(broken))]


def write_project(folder: Path, url: str, passages: int) -> None:
    """Write passages, and a recipe through questions, answers, grounding, dedup and decontamination to an export."""
    write_books(folder / "books", passages)
    steps = [
        {"books": {"folder": "books", "sensitivity": "public"}},
        {"split": {"size": 300}},
        {"selfqa_questions": {"most": 5}},
        "selfqa_answers",
        {"grounded": {"drop": False}},
        "dedup",
        {"dedup": {"how": "near"}},
        {"decontaminate": {"against": "items.jsonl", "sensitivity": "public"}},
    ]
    items = [{"question": f"第{number}节写了什么？"} for number in range(10)]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    models = {"teacher": {"endpoint": url, "model": "mock", "timeout": 60, "concurrency": 64}}
    recipe = {"name": "ray", "lang": ["zh", "en"], "models": models, "streams": {"s": steps}, "finish": ["export"]}
    (folder / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False))


def run(folder: Path, name: str, *more: str) -> Usage:
    """Run the recipe from the command line."""
    say(f"ray_same_bytes: {name}")
    command = [*sftmill(), "run", "recipe.yaml", "--run-dir", name, *more]
    return run_to_end(Program(command, folder, name, every=1.0))


def while_a_cluster_starts(folder: Path) -> dict[str, Usage]:
    """Run the recipe without Ray while two raylets start, and on them afterwards: half the wait of one after the other."""
    with ThreadPoolExecutor(1) as beside:
        local = beside.submit(run, folder, "local")
        two = on_two_raylets(folder, after=local)
    return {"local": local.result(), "two": two}


def on_two_raylets(folder: Path, after: Future | None = None) -> Usage:
    """Run the recipe on a cluster of two raylets with a core each, once `after` is done."""
    from sftmill.flow.tables import be_quiet

    be_quiet()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        if after:
            after.result()
        return run(folder, "two", "--engine", "ray", "--address", cluster.address)
    finally:
        cluster.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    """Return all shards and exported files of a run, without the card, which tells what the run has cost."""
    found = [*(folder / "streams").rglob("*.parquet"), *(folder / "export").rglob("*")]
    found = [path for path in found if path.name != CARD]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run."""
    return json.loads((folder / "manifest.json").read_text())


def calls(folder: Path) -> int:
    """Return how many calls a run made."""
    return sum(role["calls"] for role in manifest(folder)["calls"].values())


BARS: dict[str, Callable[[bool], list[Result]]] = {"ray_same_bytes": ray_same_bytes}

if __name__ == "__main__":
    sys.exit(measure_bars(__doc__, BARS))
