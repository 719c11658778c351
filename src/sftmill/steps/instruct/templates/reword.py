"""Other wordings of a question made from a template; its values and its answer stay as they are."""

from typing import ClassVar

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Desk, Drop, Row, answer, answered, asked, question, sampling
from sftmill.steps.instruct.templates.slot_check import SlotFault, find_slot_fault, read_slots
from sftmill.text import detect_lang, normalise, numbers


class Wordings(BaseModel):
    """What the model writes; the limits are hints for servers that generate along the schema."""

    wordings: list[str] = Field(json_schema_extra={"maxItems": 10, "items": {"type": "string", "maxLength": 1200}})


class Reword(AskStep):
    """Asks a model to say a question in other words, and keeps only wordings that hold all of its values.

    The second half of the template hybrid: the model touches the surface alone. Every value in `slots` must still
    occur, word for word or as the same quantity (1.5万元 for 15000元), no other number may come in, and values of one
    unit must keep their order. The answer is the row's own, computed before, and is never asked for. Each wording that
    passes becomes a row; where none does, the row is dropped with what was wrong with the first. Without `slots`
    all numbers of the question are what must stay.
    Drops: `no_question`, `no_wording`, `slot_lost`, `slots_swapped`, `number_added`, `other_language`, `not_reworded`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "question")
    may_read: ClassVar[tuple[str, ...]] = ("slots", "answer")
    writes: ClassVar[tuple[str, ...]] = ("messages",)
    prompts: ClassVar[tuple[str, ...]] = ("reword",)
    prompt_values: ClassVar[tuple[str, ...]] = ("values",)
    """Texts of the values that must stay."""

    to: str = "teacher"
    """Role of the model that rewords."""
    wordings: int = Field(1, ge=1, le=10)
    """Wordings to ask for; with 1 each row that fails is dropped with its reason, with more the good ones are kept."""
    keep_original: bool = False
    """Whether the question as it was is handed on, too; then nothing is dropped."""
    attempts: int = Field(2, ge=1, le=5)
    """Times that the model is asked in all while no wording passes; each time a little warmer."""
    temperature: float = Field(0.8, ge=0, le=1.6)
    """Above 0, because wordings are to differ."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that a reply may have."""

    async def row(self, row: Row, desk: Desk) -> Row | list[Row]:
        """Return the row with its new wording, or one row for each."""
        text = question(row).strip()
        if not text:
            raise Drop("no_question")
        slots = read_slots(row.get("slots")) or numbers_as_slots(text)
        prompt = desk.prompt("reword", question=text, values=[slot["text"] for slot in slots.values()])
        kept: dict[str, str] = {}
        faults: list[tuple[str, SlotFault]] = []
        for attempt in range(self.attempts):
            drawn = sampling(min(2.0, self.temperature + 0.2 * attempt), self.max_tokens)
            reply = (await desk.ask(prompt, to=self.to, schema=Wordings, sampling=drawn))[0]
            for wording in reply.data.wordings[: self.wordings]:
                wording = wording.strip()
                if fault := wording_fault(text, wording, slots):
                    faults.append((wording, fault))
                elif wording:
                    kept.setdefault(normalise(wording), wording)
            if kept:
                break
        if not kept and not self.keep_original:
            wording, fault = faults[0] if faults else ("", SlotFault("no_wording", {}))
            raise Drop(fault.reason, **fault.facts, wording=wording[:400], tried=len(faults))
        texts = [*([text] if self.keep_original else []), *list(kept.values())[: self.wordings]]
        made = [self._reworded(row, wording) for wording in texts]
        return made[0] if self.wordings == 1 and not self.keep_original else made

    def _reworded(self, row: Row, wording: str) -> Row:
        """Return the row with another question before the same answer."""
        said = answer(row)
        made = asked(row, wording)
        return answered(made, said) if said else made


def wording_fault(original: str, wording: str, slots: dict[str, dict[str, str]]) -> SlotFault | None:
    """Return why a wording is out, None where it may stay."""
    if normalise(wording).casefold() == normalise(original).casefold():
        return SlotFault("not_reworded", {})
    if fault := find_slot_fault(original, wording, slots):
        return fault
    if detect_lang(wording) != detect_lang(original):
        return SlotFault("other_language", {})
    return None


def numbers_as_slots(text: str) -> dict[str, dict[str, str]]:
    """Return the numbers of a text as if they had been slots: what a question without a template must keep."""
    found = [text[n.start : n.end] for n in numbers(text) if n.unit != "label"]
    return {
        f"number {place}": {"type": "decimal", "text": found[place - 1], "value": found[place - 1]}
        for place in range(1, len(found) + 1)
    }
