"""The raw limit: a bare aiohttp and uvloop loop that posts prompts and parses the answers, and keeps nothing.

    python raw_loop.py URL PROMPTS.jsonl ROWS WORKERS

prints its CPU seconds from the first request on, imports not counted, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice

import aiohttp
import orjson
import uvloop


def read(file: str, rows: int) -> list[str]:
    """Return the first `rows` prompts of a file."""
    with open(file, "rb") as lines:
        return [orjson.loads(line)["question"] for line in islice(lines, rows)]


async def main(url: str, prompts: Iterator[str], workers: int) -> dict[str, float]:
    """Post every prompt once, `workers` at a time."""
    answered = 0

    async def work() -> None:
        nonlocal answered
        for prompt in prompts:
            body = {"model": "mock", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1024}
            async with session.post(f"{url}/chat/completions", data=orjson.dumps(body), headers=headers) as response:
                orjson.loads(await response.read())["choices"][0]["message"]["content"]
            answered += 1

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        begin = time.process_time()
        await asyncio.gather(*(work() for _ in range(workers)))
        return {"cpu": time.process_time() - begin, "answered": answered}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(sys.argv[1], iter(read(sys.argv[2], int(sys.argv[3]))), int(sys.argv[4])))))
