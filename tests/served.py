"""A fake endpoint in a thread of its own, and sftmill as users start it, for tests of whole runs."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from fake_endpoint import FakeEndpoint
from sftmill.flow.shards import ShardList, shard_files

SFTMILL = [sys.executable, "-m", "sftmill"]


@contextmanager
def serving(**options) -> Iterator[FakeEndpoint]:
    """Serve in a thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def make() -> FakeEndpoint:
        return FakeEndpoint(**options)

    endpoint = asyncio.run_coroutine_threadsafe(make(), loop).result()
    endpoint.call = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
    endpoint.call(endpoint.start())
    try:
        yield endpoint
    finally:
        endpoint.call(endpoint.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def project(folder: Path, url: str, rows: int = 20, steps: str = "[respond]", extra: str = "", model: str = "") -> Path:
    """Write prompts and a one-stream recipe into a folder; return the recipe."""
    lines = [json.dumps({"question": f"question {number}"}) for number in range(rows)]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: small\nlang: en\nmodels:\n  teacher: {{endpoint: '{url}', model: fake, revision: '1'{model}}}\n"
        f"streams:\n  main:\n    from: prompts\n    steps: {steps}\n"
        f"  prompts:\n    - samples: {{file: in.jsonl}}\n{extra}",
        "utf-8",
    )
    return recipe


def start(*arguments: object, **options) -> subprocess.Popen:
    """Start the command line in a process of its own."""
    return subprocess.Popen(
        [*SFTMILL, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        **options,
    )


def command(*arguments: object, **options) -> tuple[int, str]:
    """Run the command line to its end; return (exit status, everything it printed)."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=90)
    return process.returncode, out + err


def rows_of(run_dir: Path, stream: str = "main") -> list[dict]:
    """Return the rows that the last stage of a stream made."""
    folders = sorted((run_dir / "streams" / stream).glob("*"))
    return list(ShardList(shard_files(folders[-1])).rows())


def manifest_of(run_dir: Path) -> dict:
    """Return a run's manifest."""
    return orjson.loads((run_dir / "manifest.json").read_bytes())
