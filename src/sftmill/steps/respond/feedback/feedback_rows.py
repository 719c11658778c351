"""The rows that one judgement of several candidates gives: answers, judgements, pairs, revisions and corrections."""

import orjson

from sftmill.core import Desk, Row, answered, asked, sampling
from sftmill.errors import RecipeError, ReplyUnusable
from sftmill.steps.curate.user_text import user_text
from sftmill.steps.respond.feedback.feedback_form import Contender, Critique, Verdict, names_in, parse_best
from sftmill.steps.respond.judge.blind import appeals, shown
from sftmill.steps.respond.verify.results import find_result, same_result


class FeedbackRows:
    """Makes the rows of one judgement; what a weak model wrote is never the answer of one."""

    def __init__(self, row: Row, field: list[Contender], verdict: Verdict, values: dict, desk: Desk, longest: int):
        self.row = {**row, "rejected": None, "masked_spans": None, "feedback": None}
        self.field, self.verdict, self.values, self.desk, self.longest = field, verdict, values, desk, longest
        self.best = field[verdict.best]
        self.names = [
            name
            for source in sorted({*filter(None, row.get("candidate_sources") or ())})
            for name in names_of(source, desk)
        ]
        self.negatives = {_letters(one.text) for one in field if one.negative}

    @property
    def won_by(self) -> str:
        """Whether the best candidate is a weak model's."""
        return "weak" if self.best.negative else "strong"

    def answers(self) -> list[Row]:
        """Return the best candidate as the answer (A), where no weak model wrote it."""
        if not self._may_be_learnt(self.best.text):
            return []
        return [{**answered(self.row, self.best.text), "task": "best_answer"}]

    def judgements(self) -> list[Row]:
        """Return the judge's critique and verdict as the answer to a question that shows the candidates (B)."""
        said = self.verdict.said
        told = [one.model_dump() for one in sorted(said.critiques, key=lambda one: one.answer)]
        text = self.desk.prompt("verdict", critiques=told, comparison=said.comparison.strip(), best=said.best)
        text = text[0]["content"].strip()
        question = self.desk.prompt("judgement", **self.values)[-1]["content"]
        if self._names_someone(f"{question}\n{text}") or parse_best(text) != said.best:
            return []
        if self.verdict.order[said.best - 1] != self.verdict.best:
            return []
        made = answered(asked({**self._without_turns(), "reference": None}, question), text)
        kept = {
            "order": self.verdict.order, "best": said.best, "winner": self.verdict.best,
            "consistent": self.verdict.consistent, "verified": self.verdict.verified,
            "negative": [one.negative for one in self.field],
        }  # fmt: skip
        return [{**made, "task": "judgement", "feedback": orjson.dumps(kept).decode()}]

    def pairs(self) -> list[Row]:
        """Return the best candidate against the one that both games find worst (C)."""
        worst = self.verdict.worst
        if worst is None or not self._may_be_learnt(self.best.text):
            return []
        rejected = self.field[worst].text
        if self.verdict.verified and same_outcome(rejected, self.row.get("reference") or ""):
            return []  # as right as the best one
        return [{**answered(self.row, self.best.text), "task": "preference", "rejected": rejected}]

    async def revised(self, to: str | None, max_tokens: int) -> list[Row]:
        """Return critique to revision (D), and the answer that corrects itself (E); nothing without a role to ask."""
        found = self._criticised()
        if to is None or found is None:
            return []
        flawed, critique = found
        values = {"answer": shown(flawed.text, self.longest), "critique": critique.critique.strip()}
        prompt = self.desk.prompt("revise", **{**self.values, **values})
        try:
            reply = (await self.desk.ask(prompt, to=to, sampling=sampling(0.0, max_tokens)))[0]
        except ReplyUnusable:
            return []
        revision = reply.text.strip()
        if not self._may_be_learnt(revision) or _letters(revision) == _letters(flawed.text):
            return []
        if self.verdict.verified is not None and not same_outcome(revision, self.row.get("reference") or ""):
            return []
        question = prompt[-1]["content"]
        if self._names_someone(f"{question}\n{values['critique']}"):
            return []
        made = answered(asked(self._without_turns(), question), revision)
        return [{**made, "task": "revision"}, *self._corrected(flawed, critique, revision)]

    def _corrected(self, flawed: Contender, critique: Critique, revision: str) -> list[Row]:
        """Return the answer that begins as the flawed one, up to the wrong piece, and goes on with its correction."""
        wrong = critique.wrong.strip()
        start = flawed.text.find(wrong) if wrong else -1
        if start < 0 or wrong in revision or wrong in critique.critique:
            return []
        begun = flawed.text[: start + len(wrong)]
        more = self.desk.prompt("correct", critique=critique.critique.strip(), revision=revision)[0]["content"].strip()
        made = answered(self.row, f"{begun}\n\n{more}")
        return [{**made, "task": "correction", "masked_spans": [0, len(begun)]}]

    def _criticised(self) -> tuple[Contender, Critique] | None:
        """Return the candidate to revise and its critique: the worst of the game shown, if it is not the best one."""
        number = self.verdict.said.worst
        place = self.verdict.order[number - 1]
        critique = next(one for one in self.verdict.said.critiques if one.answer == number)
        if place == self.verdict.best or not critique.critique.strip():
            return None
        return self.field[place], critique

    def _may_be_learnt(self, text: str) -> bool:
        """Tell whether a text may be an answer: it has words, none of its own to a judge, and is no weak model's."""
        if not text.strip() or _letters(text) in self.negatives:
            return False
        return not appeals(text, user_text(self.row)) and not self._names_someone(text)

    def _names_someone(self, text: str) -> bool:
        return bool(names_in(text, self.names, user_text(self.row)))

    def _without_turns(self) -> Row:
        return {name: value for name, value in self.row.items() if name != "messages"}


def names_of(source: str, desk: Desk) -> list[str]:
    """Return the names by which a candidate's author could be told: those of the role's model, or the name given."""
    try:
        name = desk.model(source)
    except RecipeError:  # not a role of this recipe: the candidates came from elsewhere
        name = source
    return [name, *name.split("/")[1:]]


def same_outcome(text: str, reference: str) -> bool:
    """Tell whether a text comes to the reference's result."""
    right, own = find_result(reference), find_result(text)
    return right is not None and own is not None and same_result(own, right)


def _letters(text: str) -> str:
    """Return what two texts that say the same in other spacing or punctuation have in common."""
    return "".join(c for c in text.casefold() if c.isalnum()) or text.strip()


def win_rates(rows: list[Row]) -> dict[str, float]:
    """Return the share of questions that a strong and a weak model's candidate won; weak above 0.3 is an alarm.

    A judge that finds a weak model best so often, or the stronger model itself, is not what it was taken for.
    """
    won = [name for row in rows for name in row.get("won_by") or ()]
    return {name: won.count(name) / len(won) for name in ("strong", "weak")} if won else {}
