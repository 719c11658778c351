"""Back-test: another model rebuilds the answer or the instruction, and how far both agree is scored."""

from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Message, Row, Sampling, answer, question, turns
from sftmill.steps.respond.judge.blind import shown
from sftmill.steps.respond.judge.show import MATERIAL, harmless_text, request_turns
from sftmill.steps.respond.verify.rebuilt import COMPARED, cosine, holds, likeness, own_result, same_share


class BackTest(AskStep):
    """Lets another model rebuild the answer from the instruction, or the instruction from the answer, and compares.

    `answer`: the same request is answered anew, `draws` times, by the passage where the row has one. Where the
    row's answer comes to a result (a box, ####, 答案是, "the answer is", a choice, or hardly more than a number),
    `agreement` is the share of the draws that come to the same one by value. Else it is the mean likeness of the texts:
    of ROUGE-L, the numbers that they share, and the cosine of their embeddings with `to_embedder`. A short answer that
    stands in what was drawn, word for word, is wholly like it.
    `instruction`: the model sees the answer alone and guesses the request (after instruction back-translation, Li et
    al. 2023, arXiv 2308.06259); `agreement` is the mean likeness of its guesses to the last question. An answer that
    misses the request, or says little, gives it away badly; leave short answers to `answer`.
    That two models agree does not make them right, and texts can say the same in few common words: look at what a
    pilot drops before you raise the floor.
    Drops: `not_rebuilt`, `no_pair`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = MATERIAL
    writes: ClassVar[tuple[str, ...]] = ("agreement",)
    judging: ClassVar[tuple[str, ...]] = ("to",)
    prompts: ClassVar[tuple[str, ...]] = ("answer", "final", "instruction")
    prompt_values: ClassVar[tuple[str, ...]] = ("turns", "material", "wish", "candidate")

    to: str = "judge"
    """Role that rebuilds; another model than the one that answered, or it confirms its own mistakes."""
    own_answers: bool = False
    """Whether it may be the model that answered."""
    rebuild: Literal["answer", "instruction"] = "answer"
    """What is made anew: the answer from the request, or the request from the answer."""
    compare: Literal["auto", "result", "text"] = "auto"
    """How answers are compared: by their results where the row's has one and by their texts otherwise; always by
    results, so that one without agrees with none; or always by their texts."""
    draws: int = Field(3, ge=1, le=64)
    """Times that it is rebuilt, in one request where the server can do that."""
    least_agreement: float | None = Field(0.5, ge=0, le=1)
    """Share of the draws that must come to the row's result, where results are compared; null = all stay."""
    least_likeness: float | None = Field(0.15, ge=0, le=1)
    """Likeness that the texts must have, where texts are compared; null = all stay. Of 500 pairs of answers to the same
    question 0.15 keeps 81 % (zh) and 71 % (en), of answers to others 5 and 7 %; with `to_embedder` 0.2 keeps 94 and
    91 %, and 3 and 4 % (of 160 pairs)."""
    use_passage: bool = True
    """Whether the model that answers anew sees the row's `passage` and `context`."""
    to_embedder: str | None = None
    """Role that turns texts into vectors, so that meaning counts as well; null = none."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Temperature of the draws; a single one may have 0."""
    max_tokens: int = Field(2048, ge=16)
    """Tokens of an answer with its reasoning, or of a guess."""
    longest: int = Field(12000, ge=200)
    """Characters of the answer from which the request is guessed."""

    def problems(self) -> list[str]:
        """Return why the settings cannot be meant, if so."""
        found = []
        if self.draws > 1 and not self.temperature:
            found.append("temperature: 0 draws the same each time; give 0.5 to 1, or draws: 1")
        if self.rebuild == "instruction" and self.compare == "result":
            found.append("compare: a request has no result; leave it out, or set rebuild: answer")
        return found

    def demand(self, candidates: int | None = None) -> Demand:
        """Return the draws."""
        return Demand({self.to: self.draws}, f"{self.draws} {self.rebuild}s made anew")

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its agreement, or drop it."""
        given, asked = answer(row).strip(), question(row).strip()
        if not given or not asked:
            raise Drop("no_pair")
        by_answer = self.rebuild == "answer"
        result = own_result(given, row.get("lang") or "zh") if by_answer and self.compare != "text" else None
        by_result = by_answer and (result is not None or self.compare == "result")
        prompt = self._prompt(row, given, by_result, desk)
        drawn = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        replies = await desk.ask(prompt, to=self.to, n=self.draws, sampling=drawn)
        texts = [reply.text.strip() for reply in replies if reply.text.strip()]
        if by_result:
            agreement = same_share(result, texts) if result is not None and texts else 0.0
        else:
            agreement = await self._likeness(given if by_answer else asked, texts, desk)
        # what was cut off or is empty agrees with nothing
        agreement = round(agreement * len(texts) / self.draws, 4)
        least = self.least_agreement if by_result else self.least_likeness
        if least is not None and agreement < least:
            first = {"rebuilt": texts[0][:200]} if texts else {}
            raise Drop("not_rebuilt", agreement=agreement, by="result" if by_result else "text", **first)
        return {**row, "agreement": agreement}

    def _prompt(self, row: Row, given: str, by_result: bool, desk: Desk) -> list[Message]:
        """Return what the model is asked."""
        if self.rebuild == "instruction":
            return desk.prompt("instruction", candidate=shown(given, self.longest))
        messages = turns(row)[:-1]
        wish = desk.prompt("final")[0]["content"].strip() if by_result else ""
        material = harmless_text(row.get("passage"), row.get("context")) if self.use_passage else None
        if material:
            return desk.prompt("answer", turns=request_turns(messages), material=material, wish=wish)
        if not wish or messages[-1]["role"] != "user":
            return messages
        return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n{wish}"}]

    async def _likeness(self, text: str, rebuilt: list[str], desk: Desk) -> float:
        """Return the mean likeness of what was rebuilt to a text."""
        if not rebuilt:
            return 0.0
        meanings: list[float | None] = [None] * len(rebuilt)
        if self.to_embedder:
            own, *others = await desk.embed([one[:COMPARED] for one in (text, *rebuilt)], to=self.to_embedder)
            meanings = [cosine(own, other) for other in others]
        held = [self.rebuild == "answer" and holds(one, text) for one in rebuilt]
        pairs = zip(rebuilt, meanings, held, strict=True)
        return fmean(1.0 if whole else likeness(text, one, meaning) for one, meaning, whole in pairs)
