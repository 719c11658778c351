"""The bar about forecasts: how often a pilot's interval holds what the whole run then costs."""

import json
import tempfile
from pathlib import Path
from typing import Any
from zlib import crc32

from common import BENCH, Result, say

RUNS = 50
"""Simulated folders, each with its own files, densities, lengths and shares of good answers."""
PRICE = {"prompt": 2.0, "completion": 8.0}
PASSAGES, SAMPLED = 400, 100


class Simulated:
    """An endpoint that answers at once, with the usage that stands in the prompt."""

    name = "simulated"

    async def post(self, path: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109
        """Return an answer as the passage's text foretells it."""
        prompt = body["messages"][-1]["content"]
        asks, tokens, answer, good = (int(word) for word in prompt.partition(": ")[2].split()[:4])
        if prompt.startswith("questions"):
            text, completion = str(asks), 20 * asks + 5
        else:
            # a hash of the prompt decides, so that the pilot and the run get the same answer
            draw = crc32(prompt.encode())
            text = "right" if draw % 1000 < good else "wrong"
            completion = answer * (50 + draw // 1000 % 100) // 100
        return {
            "model": "simulated",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": tokens + 150, "completion_tokens": completion},
        }

    async def get(self, path: str) -> dict[str, Any]:
        """Return the one model there is."""
        return {"data": [{"id": "simulated"}]}

    async def close(self) -> None:
        """Do nothing; there is no connection."""


def forecast(quick: bool) -> list[Result]:
    """Run a pilot and the whole on 50 simulated folders and compare: cost, tokens, calls and accepted samples."""
    from sftmill.pilot import run_pilot
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe

    passages = PASSAGES if quick else 4 * PASSAGES
    say(f"forecast: {RUNS} folders of about {passages} passages, {SAMPLED} of them in the pilot")
    held = dict.fromkeys(("money", "tokens", "calls", "accepted"), 0)
    widths: list[float] = []
    again = 0
    for number in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="sftmill-forecast-") as folder:
            recipe = Path(folder) / "recipe.yaml"
            steps = f"{BENCH / 'bench_steps.py'}"
            recipe.write_text(
                json.dumps(
                    {
                        "name": "forecast",
                        "lang": "en",
                        "personal_data": "keep",
                        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "price": PRICE}},
                        "streams": {
                            "rows": [
                                {"use": f"{steps}:Passages", "seed": number, "passages": passages},
                                {"use": f"{steps}:Asks"},
                                {"use": f"{steps}:Answers"},
                            ]
                        },
                    },
                    indent=1,
                )
            )
            run_dir = Path(folder) / "runs" / "forecast"
            loaded = load_recipe(recipe, allow_code=True)
            found = run_pilot(loaded, run_dir, SAMPLED, providers={"teacher": [Simulated()]}).forecast
            manifest = run_recipe(loaded, run_dir, providers={"teacher": [Simulated()]})
        calls = manifest["calls"]["teacher"]
        actual = {
            "money": manifest["money"]["spent"],
            "tokens": sum(s["prompt_tokens"] + s["completion_tokens"] for s in manifest["spent"]),
            "calls": calls["calls"] + calls["from_ledger"],
            "accepted": list(manifest["counts"].values())[-1]["out"],
        }
        again += calls["from_ledger"]
        for name, value in actual.items():
            interval = getattr(found, name)
            held[name] += interval.low <= value <= interval.high
        widths.append((found.money.high - found.money.low) / 2 / found.money.value)
    share = held["money"] / RUNS
    others = ", ".join(f"{name} {count}" for name, count in held.items())
    note = (
        f"of {RUNS} intervals hold: {others}; half-width of the cost's interval {sum(widths) / RUNS:.0%} on average; "
        f"{again:,} answers of the pilots were used again"
    )
    return [Result("forecast", share, 0.9, at_least=True, note=note)]
