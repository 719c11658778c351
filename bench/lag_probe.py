"""Runs a recipe in this process and measures how late its event loop is.

    python lag_probe.py RECIPE RUN_DIR

prints quantiles of the lag in milliseconds as JSON. A timer is set every 5 ms. A loop that is held up cannot set its
timers, so one that is late by 50 ms also counts for the nine that would have been due meanwhile.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from sftmill import load_recipe, run_recipe

EVERY = 0.005
"""Seconds between two timers."""


class Probe:
    """Sets timers in the loop that it is first called in, until the work there is done."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.lags: list[float] = []
        self.seen: list[float] = []

    def __call__(self, snapshot: dict) -> None:
        """Start measuring at the first snapshot of the run that has rows in it; end at the last."""
        if snapshot["state"] in ("done", "stopped", "failed"):
            self.loop = None
        elif self.loop is None:
            self.loop = asyncio.get_running_loop()
            self._set()

    def _set(self) -> None:
        if self.loop:
            # the loop's own clock stands still while a callback runs, so it cannot tell
            self.loop.call_later(EVERY, self._late, time.monotonic() + EVERY)

    def _late(self, due: float) -> None:
        if self.loop:
            late = max(0.0, time.monotonic() - due)
            self.seen.append(late)
            while late >= 0:
                self.lags.append(late)
                late -= EVERY
            self._set()


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values, in milliseconds."""
    return round(1000 * values[min(len(values) - 1, int(share * len(values)))], 2)


if __name__ == "__main__":
    probe = Probe()
    manifest = run_recipe(load_recipe(Path(sys.argv[1]), allow_code=True), Path(sys.argv[2]), watch=probe)
    lags = sorted(probe.lags)
    found = {f"p{round(100 * q)}": quantile(lags, q) for q in (0.5, 0.9, 0.99)}
    largest = [round(1000 * lag) for lag in sorted(probe.seen)[-5:]]
    print(json.dumps({**found, "largest": largest, "timers": len(probe.seen), "seconds": manifest["seconds"]}))
