"""The bars about judges: every pair gets a verdict or a named failure, and best-of-N reads its prompt once."""

import json
import tempfile
from pathlib import Path
from typing import Any

from common import BUILD, REPOSITORY, CannotMeasure, Result, say
from endpoint import Mock, build_mock

PAIRS = REPOSITORY / "../shared/data/judge/preference_pairs.jsonl"
MODEL = "qwen2.5-coder-0.5b-instruct"
"""The embedded model: far too small to judge; it shows that the pipeline loses nothing."""
LIVE = {True: 4, False: None}
"""Pairs that it judges, quick and full (None = all 1,109); two calls each, hours in all."""
KEPT = BUILD / "judge_pipeline.sqlite"
"""Ledger of the full measurement: one that was broken off goes on where it stood."""
PROMPTS = {True: 60, False: 500}
DRAWS = 8
JUDGED = [{"samples": {"file": "rows.jsonl"}}, {"judge_pairs": {"evidence": 40, "max_tokens": 400}}]
"""Short evidence: on two cores, each token of the 2,218 replies costs a minute."""
CRITERIA = ("correctness", "instruction", "completeness", "clarity", "honesty")


def judge_pipeline(quick: bool) -> list[Result]:
    """Judge labelled pairs with the embedded model: each must end as a verdict, as missing, or as a named failure."""
    from sftmill.judge_check import check_judge
    from sftmill.recipe_reader import load_recipe

    if not PAIRS.is_file():
        raise CannotMeasure(f"{PAIRS}: the labelled pairs are not there")
    with tempfile.TemporaryDirectory() as folder:
        more = {} if quick else {"ledger": str(KEPT)}
        recipe = load_recipe(write_recipe(Path(folder), {"judge": {"local": MODEL, "timeout": 3600}}, JUDGED, more))
        made = check_judge(
            recipe, PAIRS.resolve(), Path(folder) / "runs" / "judge", limit=LIVE[quick], sensitivity="public"
        )
    overall = made["overall"]
    told = overall["judged"] + overall["missing"] + sum(overall["failed"].values())
    for source, figures in made["sources"].items():
        say(f"  {source}: {figures['judged']}/{figures['pairs']} judged, accuracy {figures['accuracy']}")
    nameless = sum(not one["why"] for one in made["unjudged"])
    return [
        Result(
            "judge_pipeline",
            told / overall["pairs"],
            1.0,
            at_least=True,
            note=(
                f"{MODEL}, {overall['pairs']} pairs: {overall['judged']} verdicts, {overall['missing']} missing, failed "
                f"{overall['failed'] or 0}; accuracy {overall['accuracy']} (ties half: {overall['adjusted']}), consistency "
                f"{overall['consistency']}, ties {overall['tie_rate']}, seat A {overall['first_seat']}, kappa {overall['kappa']}, "
                f"length slope {overall['length_slope']} ± {overall['length_slope_error']}"
            ),
            broken=f"{nameless} pairs went without a reason" if nameless else "",
        )
    ]


def best_of_n_cost(quick: bool) -> list[Result]:
    """Count at the mock endpoint how many requests, each reading its prompt, N answers to a prompt take."""
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe

    prompts = PROMPTS[quick]
    with tempfile.TemporaryDirectory() as name, Mock(build_mock(), latency_ms=5) as mock:
        folder = Path(name)
        lines = [json.dumps({"question": f"Question {i}: name {i + 2} things."}) for i in range(prompts)]
        (folder / "rows.jsonl").write_text("\n".join(lines))
        said = {name: {"evidence": "none", "reason": "none", "score": 4} for name in CRITERIA}
        (folder / "judge.yaml").write_text(json.dumps({"default": {"json": said}}))
        models = {
            "teacher": {"endpoint": mock.url, "model": "mock", "revision": "1"},
            "judge": {"scripted": "judge.yaml", "revision": "1"},
        }
        step = {"best_of_n": {"n": DRAWS, "to_judge": "judge", "weighted": False}}
        recipe = load_recipe(write_recipe(folder, models, [{"samples": {"file": "rows.jsonl"}}, step]))
        run_recipe(recipe, folder / "runs" / "bon")
        stats = mock.stats()
        drawn = answers(folder)
    return [
        Result(
            "best_of_n_cost",
            stats["total"] / prompts,
            1.0,
            unit="/prompt",
            raw=f"{DRAWS} without n",
            note=f"{prompts} prompts, {DRAWS} draws each, {drawn / prompts:.2f} distinct candidates kept per prompt",
            broken="" if drawn > prompts else "no more than one candidate per prompt came back",
        )
    ]


def answers(folder: Path) -> int:
    """Return the number of candidates in the rows of a run."""
    from sftmill.flow.shards import read_rows, shard_files

    (made,) = (folder / "runs" / "bon" / "streams" / "s").glob("*-best_of_n")
    return sum(len(row["candidates"]) for file in shard_files(made) for row in read_rows(file))


def write_recipe(folder: Path, models: dict[str, Any], steps: list[Any], more: dict[str, Any] | None = None) -> Path:
    """Write a recipe with one stream, and what else it says."""
    path = folder / "recipe.yaml"
    said = {"name": "bars", "lang": ["zh", "en"], "models": models, "streams": {"s": steps}, **(more or {})}
    path.write_text(json.dumps(said))
    return path
