"""The bar about facts: six facts planted in a made-up handbook come out as question and answer, and no faults do.

    python bench/everyday.py --only selfqa_facts

A scripted teacher plays a model that reads: it asks about the sentences of the passages that it is shown, as many as
it is told to, and answers from the passage that it is shown. So what comes out depends on how the handbook was cut,
how many questions were wanted, and whether passage and question reached the prompt. Among its good work it
puts the faults of real models: questions that point at the text, repeat it or name what it does not have, questions without
an answer in it, wrong numbers, copied paragraphs, refusals in its own words, and openings such as "according to
the material". The real recipe runs in a folder of its own, for Chinese and English, with passages one by one and
packed.
"""

import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from common import Result, say
from selfqa_handbooks import EN, ZH, Fact, Handbook

PLANTED = 6
PACK = 3


class Teacher:
    """Plays a model that reads what it is shown, and counts what it is asked."""

    def __init__(self, book: Handbook):
        self.book = book
        self.facts = [fact for facts in book.sections.values() for fact in facts]
        self.asked: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a request with questions or with an answer, by what its last message wants."""
        prompt = body["messages"][-1]["content"]
        material, _, wanted = prompt.rpartition("</material>")
        material = material.rpartition("<material>")[2]
        found = re.search(r"(?:问题：|Question: )(.+)\s*\Z", wanted)
        self.asked["answers" if found else "questions"] += 1
        return {"json": self.reply(material, found[1].strip()) if found else {"questions": self.ask(material, wanted)}}

    def ask(self, material: str, wanted: str) -> list[Any]:
        """Return as many good questions as are wanted of each part of the material, and faulty ones behind them."""
        marks = re.findall(
            r"【(\d+)】[^【\d]{1,4}(\d+)" if self.book.lang == "zh" else r"(\d+) questions? on \[(\d+)\]", wanted
        )
        counts = {int(a): int(b) for a, b in marks} if self.book.lang == "zh" else {int(b): int(a) for a, b in marks}
        if not counts:
            count = int(re.search(r"(\d+)", wanted)[1])
            asked = [fact.question for fact in self.facts if fact.sentence in material][:count]
            return [*asked, *self.faulty(material)]
        parts = re.split(r"^[【\[](\d+)[】\]]$", material, flags=re.MULTILINE)
        proposed: list[Any] = []
        for number, text in zip(map(int, parts[1::2]), parts[2::2], strict=True):
            asked = [fact.question for fact in self.facts if fact.sentence in text][: counts[number]]
            asked += self.faulty(text)
            proposed += [{"piece": number, "type": "", "question": question} for question in asked]
        return proposed

    def faulty(self, material: str) -> list[str]:
        """Return what a careless model asks as well: about the text, about nothing, or with the text's own words."""
        shown = [fact.sentence for fact in self.facts if fact.sentence in material]
        return [*self.book.bad_questions, *self.book.probes, *shown[:1]]

    def refuse(self, question: str) -> dict[str, Any]:
        """Return what a model says that finds no answer: the phrase that it was told, or its own."""
        return {"quotations": [], "answer": self.book.refusals[len(question) % len(self.book.refusals)]}

    def reply(self, material: str, question: str) -> dict[str, Any]:
        """Return what the material says to a question; for some, what a careless model makes of it."""
        fact = next((f for f in self.facts if f.question == question and f.sentence in material), None)
        if question in self.book.bad_questions:  # a model answers these without a second thought
            shown = next((f for f in self.facts if f.sentence in material), None)
            return {"quotations": [shown.sentence], "answer": shown.answer} if shown else self.refuse(question)
        if fact is None:
            return self.refuse(question)
        number = self.facts.index(fact)
        if fact.fault:
            said = fact.fault
        elif not fact.token and number % 4 == 1:
            said = material.strip()  # the whole passage instead of an answer
        elif number % 2:
            said = fact.answer
        else:
            lead = self.book.lead
            said = lead + (fact.answer if self.book.lang == "zh" else fact.answer[:1].lower() + fact.answer[1:])
        return {"quotations": [fact.sentence], "answer": said}


def write_project(folder: Path, book: Handbook, pack: int) -> Path:
    """Write the handbook and a recipe for it; return the recipe."""
    (folder / "books").mkdir(parents=True)
    title = "工场手册" if book.lang == "zh" else "Handbook of the works"
    space = "" if book.lang == "zh" else " "
    text = f"# {title}\n\n{book.extra}"
    for heading, facts in book.sections.items():
        text += f"## {heading}\n\n" + space.join(fact.sentence for fact in facts) + "\n\n"
    (folder / "books" / "handbook.md").write_text(text, "utf-8")
    recipe = {
        "name": "facts",
        "lang": book.lang,
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "scripted", "revision": "1"}},
        "streams": {
            "books": [
                {"books": {"folder": "books"}},
                {"split": {"size": 100, "size_en": 40, "minimum": 20, "pack": pack}},
                "selfqa_questions",
                "question_form",
                "selfqa_answers",
                "grounded",
                "dedup",
            ]
        },
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
    return file


class Outcome(NamedTuple):
    """What one run of the recipe made of the handbook."""

    covered: list[str]
    foreign_numbers: list[str]
    faulty: list[str]
    pairs: int
    asked: Counter[str]
    dropped: Counter[str]


def run_book(folder: Path, book: Handbook, pack: int) -> Outcome:
    """Run the recipe and look at the pairs that are left."""
    from sftmill.core import answer, question
    from sftmill.flow.shards import read_rows, shard_files
    from sftmill.models.scripted import ScriptedProvider
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe

    teacher = Teacher(book)
    recipe = write_project(folder, book, pack)
    manifest = run_recipe(load_recipe(recipe), folder / "run", providers={"teacher": [ScriptedProvider(teacher)]})
    dropped: Counter[str] = Counter()
    for counts in manifest["counts"].values():
        dropped.update(counts["dropped"])
        dropped["failed"] += counts["failed"]
    last = sorted((folder / "run" / "streams" / "books").iterdir())[-1]
    rows = [row for file in shard_files(last) for row in read_rows(file)]
    source = (folder / "books" / "handbook.md").read_text("utf-8")
    there = set(re.findall(r"\d+(?:\.\d+)?", source))
    return Outcome(
        [f.token for f in teacher.facts if f.token and any(f.token in answer(row) for row in rows)],
        [n for row in rows for n in re.findall(r"\d+(?:\.\d+)?", answer(row)) if n not in there],
        [
            question(row)
            for row in rows
            if book.pointing.search(question(row)) or question(row) in (*book.bad_questions, *book.probes)
        ],
        len(rows),
        teacher.asked,
        dropped,
    )


def selfqa_facts(quick: bool) -> list[Result]:
    """Run both handbooks, passages one by one and packed; return the bars on facts, numbers and pointing questions."""
    say(f"selfqa_facts: {PLANTED} facts in each of two made-up handbooks, passages one by one and packed by {PACK}")
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="sftmill-facts-") as place:
        for book in (ZH, EN):
            for pack in (1, PACK):
                name = f"{book.lang}, {'packed' if pack > 1 else 'single'}"
                outcomes[name] = run_book(Path(place) / f"{book.lang}{pack}", book, pack)
    calls = {name: found.asked["questions"] for name, found in outcomes.items()}
    single = calls["zh, single"] + calls["en, single"]
    packed = calls["zh, packed"] + calls["en, packed"]
    note = "; ".join(
        f"{name}: {len(o.covered)} facts, {o.pairs} pairs, {o.asked['questions']} + {o.asked['answers']} calls"
        for name, o in outcomes.items()
    )
    reasons = sum((o.dropped for o in outcomes.values()), Counter())
    failed = f"{reasons['failed']} rows failed" if reasons["failed"] else ""
    what = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items()))
    missing = [f"{name}: {f.token}" for name, o in outcomes.items() for f in _planted(name) if f.token not in o.covered]
    numbers = [number for o in outcomes.values() for number in o.foreign_numbers]
    faulty = [question for o in outcomes.values() for question in o.faulty]
    return [
        Result(
            "selfqa_facts",
            min(len(o.covered) for o in outcomes.values()),
            PLANTED,
            at_least=True,
            note=f"{note}; packing by {PACK} makes {packed} of {single} question calls; dropped: {what}"
            + (f"; not covered: {', '.join(missing)}" if missing else ""),
            broken=failed,
        ),
        Result("selfqa_foreign_numbers", len(numbers), 0, note=", ".join(numbers)),
        Result("selfqa_deictic_kept", len(faulty), 0, note=" | ".join(faulty)),
    ]


def _planted(name: str) -> list[Fact]:
    book = ZH if name.startswith("zh") else EN
    return [fact for facts in book.sections.values() for fact in facts if fact.token]


measure_selfqa_facts = selfqa_facts
