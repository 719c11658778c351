"""The recipes and inputs that benchmarks hand to sftmill, and what they read back from its run folders."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from common import BENCH
from processes import Program, Usage, run, sftmill

TRADE = ("pump", "station", "valve", "pressure", "bearing", "coolant", "voltage", "relay", "sensor", "torque", "seal")


def write_prompts(file: Path, rows: int) -> Path:
    """Write `rows` different questions of about 300 characters as JSON lines; the same number gives the same file."""
    with open(file, "w", encoding="utf-8") as lines:
        for number in range(rows):
            words = " ".join(TRADE[(number * 7 + i * i) % len(TRADE)] for i in range(34))
            question = f"Case {number:06d}: what should the technician check first when the report says: {words}?"
            lines.write(json.dumps({"question": question}) + "\n")
    return file


def question_number(question: str) -> int:
    """Return the number that a question of `write_prompts` carries."""
    return int(question[5:11])


class Job:
    """One recipe in a folder of its own, with its input, its run folder and its ledger."""

    def __init__(self, folder: Path, rows: int, url: str, steps: list[dict[str, Any]] | None = None, **role: Any):
        folder.mkdir(parents=True)
        self.folder = folder
        self.rows = rows
        self.recipe = folder / "recipe.yaml"
        self.run_dir = folder / "run"
        self.ledger = folder / "ledger.sqlite"
        self.prompts = write_prompts(folder / "prompts.jsonl", rows)
        self.teacher = {"endpoint": url, "model": "mock", "timeout": 60, **role}
        self.steps = steps or [{"respond": {"max_tokens": 1024}}]
        self.starts = 0
        self.write()

    def write(self, **top: Any) -> None:
        """Write the recipe; `top` are further keys of it, such as budget."""
        # JSON is YAML, and the reader takes a list item a line
        streams = {"rows": [{"samples": {"file": self.prompts.name}}, *self.steps]}
        recipe = {"name": "bench", "lang": "en", "models": {"teacher": self.teacher}, "streams": streams, **top}
        self.recipe.write_text(json.dumps(recipe, indent=1))

    def command(self) -> list[str]:
        """Return what a user would type."""
        own = ["--allow-code"] if any("use" in step for step in self.steps) else []
        return [*sftmill(), "run", str(self.recipe), "--run-dir", str(self.run_dir), *own]

    def start(self, every: float = 0.1) -> Program:
        """Start the command."""
        self.starts += 1
        return Program(self.command(), self.folder, f"start{self.starts:02d}", every)

    def run(self, every: float = 0.1) -> Usage:
        """Run the command to its end."""
        self.starts += 1
        return run(self.command(), self.folder, f"start{self.starts:02d}", every=every)

    def finished_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the last step's shards."""
        stages = sorted(p for p in (self.run_dir / "streams" / "rows").glob("*") if p.is_dir())
        shards = sorted(p for p in stages[-1].glob("*.parquet") if p.stem.isdigit()) if stages else []
        return [row for shard in shards for row in pq.read_table(shard, memory_map=False).to_pylist()]

    def numbers(self) -> list[int]:
        """Return the number of the question of every finished row that has an answer."""
        found = []
        for row in self.finished_rows():
            first, last = row["messages"][0], row["messages"][-1]
            if last["role"] == "assistant" and last["content"]:
                found.append(question_number(first["content"]))
        return found

    def exported(self) -> list[int]:
        """Return the number of the question of every sample in the exported messages file."""
        found = []
        with open(self.run_dir / "export" / "sft.messages.jsonl", encoding="utf-8") as lines:
            for line in lines:
                first = next(m for m in json.loads(line)["messages"] if m["role"] == "user")
                found.append(question_number(first["content"]))
        return found

    def durable_answers(self) -> int:
        """Return how many answers the ledger holds, read from a copy so that the next start finds it as it was left."""
        copy = self.folder / "ledger-copy"
        copy.mkdir(exist_ok=True)
        for file in copy.glob("*"):
            file.unlink()
        for file in self.folder.glob("ledger.sqlite*"):
            shutil.copy(file, copy / file.name)
        if not (copy / self.ledger.name).is_file():
            return 0
        connection = sqlite3.connect(copy / self.ledger.name)
        try:
            return connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        except sqlite3.OperationalError:  # killed before the table was made
            return 0
        finally:
            connection.close()


def own_step(name: str, **settings: Any) -> dict[str, Any]:
    """Return a recipe's entry for a step of bench_steps.py."""
    return {"use": f"{BENCH / 'bench_steps.py'}:{name}", **settings}
