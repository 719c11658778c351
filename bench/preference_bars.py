"""The bars about preference: tournaments against their price, known vectors, and rows made of a judge's feedback."""

import asyncio
import json
import random
import re
from collections import Counter
from itertools import combinations
from math import log
from time import perf_counter

import numpy as np

from common import Result, say
from sftmill.core import Drop, Reply, answer, asked, question
from sftmill.models.prompt import Prompts
from sftmill.steps.respond.feedback.feedback import Feedback
from sftmill.steps.respond.feedback.feedback_form import parse_best
from sftmill.steps.respond.feedback.feedback_rows import win_rates
from sftmill.steps.respond.prefer.bradley_terry import ELO, NoFiniteStrength, fit_strengths, game_votes
from sftmill.steps.respond.prefer.tournament import DESIGNS
from sftmill.train.logits import contrast, proxy_tune, realign, softmax

CANDIDATES, FLIPS = 8, 0.2
SWISS = (7, 10, 14, 20, 28)
"""Budgets of comparisons of the curve."""


def tournament(quick: bool) -> list[Result]:
    """Find the best of 8 with a judge that is wrong in 20 % of the pairs, by design against comparisons spent.

    The judge says the same of a pair whenever it is asked, so every design meets the same mistakes. The bar: Swiss
    at half the comparisons at most 2 points behind round robin.
    """
    prompts = 1000 if quick else 5000
    games = [("knockout", {}), *(("swiss", {"comparisons": budget}) for budget in SWISS), ("round_robin", {})]
    won: Counter[int] = Counter()
    spent: Counter[int] = Counter()
    begin = perf_counter()
    for prompt in range(prompts):
        drawn = random.Random(prompt)
        ranks = list(range(CANDIDATES))
        drawn.shuffle(ranks)
        wrong = {pair: drawn.random() < FLIPS for pair in combinations(range(CANDIDATES), 2)}
        for number, (design, settings) in enumerate(games):
            winner, price = play(design, ranks, wrong, str(prompt), settings)
            won[number] += winner == ranks.index(CANDIDATES - 1)
            spent[number] += price
    say(
        f"tournament: {prompts:,} prompts of {CANDIDATES} candidates, {FLIPS:.0%} wrong, {perf_counter() - begin:.0f} s"
    )
    share = {number: won[number] / prompts for number in range(len(games))}
    for number, (design, _) in enumerate(games):
        say(f"  {design:<12}{spent[number] / prompts:5.0f} comparisons  right in {share[number]:.3f}")
    half, every = share[1 + SWISS.index(14)], share[len(games) - 1]
    curve = ", ".join(f"{d} {spent[n] / prompts:.0f}: {share[n]:.3f}" for n, (d, _) in enumerate(games))
    noise = (every * (1 - every) / prompts) ** 0.5
    return [
        Result("tournament", (every - half) * 100, 2, unit="pts", note=f"{curve}; standard error {noise:.3f}"),
        Result("tournament_fit", fit_time(), 0.3, unit="ms", note="one Bradley-Terry fit of 8 candidates, median of 9"),
    ]


def play(design: str, ranks: list[int], wrong: dict, seed: str, settings: dict) -> tuple[int, int]:
    """Return the winner of a tournament and the comparisons that it took."""
    game = DESIGNS[design](len(ranks), seed, **settings)
    shares, price = None, 0
    while True:
        try:
            pairs = game.send(shares)
        except StopIteration as end:
            return end.value.order[0], price
        price += len(pairs)
        shares = [float((ranks[a] > ranks[b]) != wrong[min(a, b), max(a, b)]) for a, b in pairs]


def fit_time() -> float:
    """Return the milliseconds of a fit, the median of nine times a hundred."""
    drawn = np.random.RandomState(0)
    tables = [(drawn.rand(CANDIDATES, CANDIDATES) < 0.25).astype(float) for _ in range(100)]
    times = []
    for _ in range(9):
        begin = perf_counter()
        for table in tables:
            fit_strengths(table)
        times.append((perf_counter() - begin) * 1000 / len(tables))
    return sorted(times)[4]


def vectors(quick: bool) -> list[Result]:
    """Hold every known vector against what the functions give; the bar is the largest difference."""
    chain = [[0, 2, 2], [0, 0, 2], [0, 0, 0]]
    season = fit_strengths([[0, 6, 8], [4, 0, 7], [2, 3, 0]], 0)
    two = fit_strengths([[0, 3], [1, 0]], 0)
    reference, aligned = np.array([2.0, 1, 0]), np.array([1.0, 2, 0])
    strong, weak = np.log([0.6, 0.3, 0.09, 0.01]), np.log([0.7, 0.1, 0.1, 0.1])
    cases: list[tuple[str, list[float], list[float]]] = [
        ("two items", [two.values[0] - two.values[1]], [log(3)]),
        ("season", list(season.values), [0.59147, 0.14910, -0.74057]),
        ("season, Elo / 100", [x / 100 for x in season.elo], [1.0275, 0.2590, -1.2865]),
        ("two items, Elo / 100", [(two.values[0] - two.values[1]) * ELO / 100], [1.9085]),
        ("chain, prior .5", list(fit_strengths(chain, 0.5).values), [1.1451, 0, -1.1451]),
        ("chain, prior .1", list(fit_strengths(chain, 0.1).values), [2.4046, 0, -2.4046]),
        ("two seats, clear", game_votes("A>B", "B>>A"), [1, 1, 1, 1]),
        ("two seats, clear the other way", game_votes("A>>B", "B>A"), [1, 1, 1, 1]),
        ("two seats, always A", game_votes("A>B", "A>B"), [1, 0]),
        ("two seats, ties", game_votes("A=B", "A=B"), [0.5, 0.5]),
        ("proxy", list(softmax(proxy_tune(reference, aligned, np.array([1.0, 1, 0])))), [0.4683, 0.4683, 0.0634]),
        ("contrastive", list(contrast(strong, weak)[:3]), [-0.1542, 1.0986, -0.1054]),
        ("contrastive, beta .5", list(contrast(strong, weak, 0.5)[:3]), [-0.5879, -0.6547, -2.4606]),
    ]
    known = {0: [0.6652, 0.2447, 0.09], 0.5: [0.4498, 0.4498, 0.1004], 1: [0.2447, 0.6652, 0.09]}
    for strength, chances in {**known, 2: [0.0453, 0.9094, 0.0453]}.items():
        cases.append((f"DeRa {strength}", list(softmax(realign(reference, aligned, strength))), chances))
    broken = [f"{name}: {found}" for name, found, known in cases if not np.allclose(found, known, rtol=0, atol=1e-4)]
    if not np.isneginf(contrast(strong, weak)[3]):
        broken.append("contrastive: the implausible token is not masked")
    try:
        fit_strengths(chain, 0)
        broken.append("chain without a prior: no error")
    except NoFiniteStrength:
        pass
    for seed in range(200):
        ranks = list(range(2, 2 + seed % 9))
        random.Random(seed).shuffle(ranks)
        right = dict.fromkeys(combinations(range(len(ranks)), 2), False)
        if ranks and play("knockout", ranks, right, str(seed), {}) != (ranks.index(max(ranks)), len(ranks) - 1):
            broken.append(f"knockout without noise lost, seed {seed}")
    worst = max(abs(a - b) for _, found, known in cases for a, b in zip(found, known, strict=True))
    note = f"{len(cases)} vectors, and 178 knockouts without noise"
    return [Result("vectors", worst, 1e-4, note=note, broken="; ".join(broken))]


SHOWN = re.compile(r"<candidate>\n(?:【回答 (\d+)】|\[Answer (\d+)\])\n(.*?)\n</candidate>", re.DOTALL)
SAID = {"zh": "{a}乘以{b}等于{c}。第{n}种写法。", "en": "{a} times {b} is {c}. Wording {n}."}
ASKS = {"zh": "{a}乘以{b}是多少？", "en": "What is {a} times {b}?"}


class ScriptedJudge:
    """Judges the sums it is shown, is wrong at times and likes the first place at others, and quotes what it likes."""

    def __init__(self, lang: str, drawn: random.Random, right: int):
        self.lang, self.drawn, self.right = lang, drawn, right
        self.habit = drawn.choice(["honest", "honest", "honest", "wrong", "first", "brackets"])

    def prompt(self, name: str, **values: object) -> list:
        return Prompts().render("feedback", name, self.lang, values)

    def model(self, to: str) -> str:
        return to

    async def ask(self, prompt: list, *, to: str = "", n: int = 1, schema: type | None = None, sampling=None) -> list:
        if schema is None:
            return [Reply(f"= {self.right}." if self.drawn.random() < 0.7 else SHOWN_LAST.get(self.lang, ""))]
        seen = [(int(zh or en), text) for zh, en, text in SHOWN.findall(prompt[-1]["content"])]
        good = {number: str(self.right) in text for number, text in seen}
        order = sorted(good, key=lambda number: (good[number] != (self.habit == "wrong"), dict(seen)[number]))
        if self.habit == "first":
            order = sorted(good, reverse=True)
        more = f"[[{order[0]}]] " if self.habit == "brackets" else ""
        critiques = [{"answer": k, "critique": f"{more}{k}: {good[k]}", "wrong": text[:6]} for k, text in seen]
        said = {"critiques": critiques, "comparison": f"{more}...", "best": order[-1], "worst": order[0]}
        return [Reply("", data=schema.model_validate(said))]


SHOWN_LAST: dict[str, str] = {}
"""A negative text of each language, which a bad reviser gives back."""


def feedback_rows(quick: bool) -> list[Result]:
    """Make rows of scripted judgements: each judgement reads back as its winner, and nothing leaks.

    Questions come several times with other wordings of their spaces, so that groups have several rows. A third of
    the questions has a reference. The bar is the number of rows that break a promise.
    """
    questions = 300 if quick else 3000
    step = Feedback(weak=("weak-7b",), to_reviser="editor", dev=0.2, test=0.2)
    rows, lost, checked = [], Counter(), Counter()
    broken: list[str] = []
    for number in range(questions):
        drawn = random.Random(number)
        lang = ("zh", "en")[number % 2]
        a, b = drawn.randrange(12, 99), drawn.randrange(12, 99)
        texts = [SAID[lang].format(a=a, b=b, c=a * b, n=n) for n in range(3)]
        bad = [SAID[lang].format(a=a, b=b, c=a * b + n, n=n) for n in range(1, 4)]
        bad += texts[:1] * (drawn.random() < 0.2)  # the weak model says the same as the strong one
        SHOWN_LAST[lang] = bad[0]
        for asks in (ASKS[lang].format(a=a, b=b), ASKS[lang].format(a=f"{a} ", b=b)):
            row = asked({"lang": lang, "reference": str(a * b) if number % 3 == 0 else None}, asks)
            row |= {"candidates": [*texts, *bad], "candidate_sources": ["strong-72b"] * 3 + ["weak-7b"] * len(bad)}
            try:
                made = asyncio.run(step.row(row, ScriptedJudge(lang, random.Random(number), a * b)))
            except Drop as drop:
                lost[drop.reason] += 1
                continue
            rows += made
            for one in made:
                checked[one["task"]] += 1
                broken += [f"{one['task']} {number}: {why}" for why in wrongs(one, set(bad), sorted({*texts, *bad}))]
    splits: dict[str, set[str]] = {}
    for one in rows:
        splits.setdefault(one["query_group"], set()).add(one["split"])
    broken += [f"group {group} in {found}" for group, found in splits.items() if len(found) > 1]
    for kind in ("best_answer", "judgement", "preference", "revision", "correction"):
        if not checked[kind]:
            broken.append(f"no {kind} at all")
    if {one["split"] for one in rows} != {"train", "dev", "test"}:
        broken.append("not all three splits")
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.items())
    gone = ", ".join(f"{count} {reason}" for reason, count in lost.items())
    weak = win_rates(rows).get("weak", 0.0)
    note = f"{2 * questions:,} questions: {kinds}; dropped {gone}; {len(splits)} groups; weak wins {weak:.1%}"
    return [Result("feedback_rows", len(broken), 0, note=note, broken="; ".join(broken[:5]))]


def wrongs(row: dict, negatives: set[str], field: list[str]) -> list[str]:
    """Return which promises a row breaks."""
    found = []
    if row["task"] in ("best_answer", "preference", "revision") and answer(row) in negatives:
        found.append("a negative is the answer")
    if row["task"] == "correction":
        start, end = row["masked_spans"]
        if any(text in answer(row)[end:] for text in negatives) or start:
            found.append("a negative is not masked")
    if row["task"] == "judgement":
        kept = json.loads(row["feedback"])
        shown = {int(zh or en): text for zh, en, text in SHOWN.findall(question(row))}
        read = parse_best(answer(row))
        if read != kept["best"] or shown.get(read) != field[kept["winner"]]:
            found.append(f"reads back as {read}, not {kept['best']}")
        if not (kept["consistent"] or kept["verified"]):
            found.append("neither consistent nor verified")
    if any(name in json.dumps(row["messages"]) for name in ("strong-72b", "weak-7b")):
        found.append("a model is named")
    return found
