"""How a run looks to people: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

PLAIN_SECONDS = 10.0
"""Seconds between two plain lines."""
REASONS_SHOWN = 3

Snapshot = dict[str, Any]


def render(snapshot: Snapshot) -> Group:
    """Return a snapshot as a table of steps, a table of models and a line about time and money."""
    return Group(steps_table(snapshot), Text(), models_table(snapshot), Text(), Text(summary(snapshot), style="bold"))


def steps_table(snapshot: Snapshot) -> Table:
    """Return what became of the rows, step by step."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    found = any(counts.get("tally") for counts in snapshot["stages"].values())
    for name in ("step", "in", "out", "failed", "dropped", *(("found",) if found else ())):
        table.add_column(name, justify="left" if name in ("step", "dropped", "found") else "right")
    for key, counts in snapshot["stages"].items():
        failed = counts["failed"]
        table.add_row(
            key,
            f"{counts['in']:,}",
            f"{counts['out']:,}",
            Text(f"{failed:,}" if failed else "", style="red" if failed else ""),
            Text(reasons(counts["dropped"]), style="yellow" if counts["dropped"] else ""),
            *((finds(counts.get("tally", {})),) if found else ()),
        )
    return table


def finds(tally: dict[str, int]) -> str:
    """Return what a step counted in its rows: "masked: phone 12, email 3"."""
    by_column: dict[str, dict[str, int]] = {}
    for key, number in tally.items():
        column, _, word = key.partition(".")
        by_column.setdefault(column, {})[word] = number
    shown = {
        column: ", ".join(f"{word} {number:,}" for word, number in sorted(words.items(), key=lambda w: (-w[1], w[0])))
        for column, words in by_column.items()
    }
    return "; ".join(f"{column}: {words}" for column, words in shown.items())


def reasons(dropped: dict[str, int]) -> str:
    """Return the commonest reasons with their numbers: "12: unsupported 9, deictic 3"."""
    if not dropped:
        return ""
    common = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{reason} {number:,}" for reason, number in common[:REASONS_SHOWN])
    more = ", ..." if len(common) > REASONS_SHOWN else ""
    return f"{sum(dropped.values()):,}: {shown}{more}"


def models_table(snapshot: Snapshot) -> Table:
    """Return what the endpoints are doing."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("role", "in flight", "limit", "calls", "ledger", "tokens/s", "retries", "overloads", ""):
        table.add_column(name, justify="left" if name in ("role", "") else "right")
    for role, now in snapshot["models"].items():
        table.add_row(
            role,
            f"{now['in_flight']:,}",
            f"{now['limit']:,}",
            f"{now['calls']:,}",
            f"{now['from_ledger']:,}",
            f"{now['tokens_per_second']:,.0f}",
            f"{now['retries']:,}",
            f"{now['overloads']:,}",
            Text(f"paused: {now['paused']}" if now.get("paused") else "", style="red"),
        )
    return table


def summary(snapshot: Snapshot) -> str:
    """Return the line about state, time, tokens and money."""
    budget = snapshot["budget"]
    state = snapshot["state"]
    waits = " (for the calls in flight; Ctrl-C again ends at once)" if state == "stopping" else ""
    parts = [state + waits, f"{clock(snapshot['seconds'])} so far"]
    if left := seconds_left(snapshot):
        parts.append(f"about {clock(left)} left")
    cap = f" of {budget['cap_tokens']:,}" if budget["cap_tokens"] else ""
    parts.append(f"{budget['spent_tokens']:,}{cap} tokens")
    if budget["spent_money"] or budget["cap_money"]:
        cap = f" of {budget['cap_money']:g}" if budget["cap_money"] else ""
        parts.append(f"{budget['spent_money']:.4g}{cap} {budget['currency']}")
    accepted, money = snapshot.get("accepted", 0), budget["spent_money"]
    if cost := cost_per_sample(accepted, budget["spent_tokens"], money, budget["currency"]):
        parts.append(cost)
    return " · ".join(parts)


def cost_per_sample(accepted: int, tokens: int, money: float, currency: str) -> str:
    """Return what each accepted sample has cost so far; empty while there is none, or when nothing was spent."""
    if not tokens or not accepted:
        return ""
    cost = f"{tokens // accepted:,} tokens"
    return cost + (f" or {money / accepted:.3g} {currency}" if money else "") + " per accepted sample"


def seconds_left(snapshot: Snapshot) -> float | None:
    """Return a rough time to the end, from the share of rows that have entered each stream's first model call.

    None while too little is known: less than 2 % done, or fewer than five seconds.
    """
    shares = [share for share in stream_shares(snapshot["stages"]) if share is not None]
    done = min(shares, default=0.0)
    if snapshot["state"] != "running" or done < 0.02 or snapshot["seconds"] < 5 or done >= 1:
        return None
    return snapshot["seconds"] * (1 - done) / done


def stream_shares(stages: dict[str, dict[str, Any]]) -> list[float | None]:
    """Return, per stream, the share of the rows read that have entered the stage after reading."""
    shares: dict[str, float | None] = {}
    before: dict[str, int] = {}
    for key, counts in stages.items():
        stream = key.split("/")[0]
        if stream in before and stream not in shares and before[stream] > counts["in"]:
            shares[stream] = counts["in"] / before[stream]
        before[stream] = counts["out"]
    return list(shares.values())


def clock(seconds: float) -> str:
    """Return a duration as people say it: 42 s, 3 min 20 s, 5 h 12 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Display:
    """Shows snapshots while a run works; use it as a context manager and call it with each of them.

    The table stays on the screen when the run did not come to its end, or with `keep`; after a
    run that did, the summary of what was made takes its place.
    """

    def __init__(self, console: Console | None = None, keep: bool = False):
        self.console = console or Console(stderr=True)
        self.keep = keep
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        self.last_line = 0.0
        self.final: Snapshot | None = None

    def __enter__(self) -> "Display":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.live:
            self.live.stop()
        if self.final and (kind or self.keep):
            self.console.print(render(self.final))

    def __call__(self, snapshot: Snapshot) -> None:
        """Show one snapshot."""
        self.final = snapshot
        if self.live:
            self.live.update(render(snapshot), refresh=True)
        elif time.monotonic() - self.last_line >= PLAIN_SECONDS:
            self.last_line = time.monotonic()
            print(plain_line(snapshot), file=sys.stderr, flush=True)


def plain_line(snapshot: Snapshot) -> str:
    """Return a snapshot as one line for a log file."""
    stages = list(snapshot["stages"].items())
    # a pool hands its rows on when it is full, so that nothing moves behind it while it grows
    growing = [(key, counts["rounds"]) for key, counts in stages if counts.get("rounds") and not counts["out"]]
    rows = f"{stages[-1][0]}: {stages[-1][1]['out']:,} rows" if stages else "starting"
    if growing:
        key, rounds = growing[-1]
        rows = f"{key}: {sum(told['admitted'] for told in rounds):,} in the pool after round {len(rounds)}"
    flying = sum(role["in_flight"] for role in snapshot["models"].values())
    return f"{summary(snapshot)} · {flying} calls in flight · {rows}"
