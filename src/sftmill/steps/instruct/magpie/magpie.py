"""Magpie: an aligned model, shown its own template up to the user's turn, writes what users ask it."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Message, Row, Sampling, system
from sftmill.errors import RecipeError
from sftmill.steps.instruct.magpie.magpie_chat_template import load_template, template_files
from sftmill.steps.instruct.magpie.magpie_families import FAMILIES, find_family
from sftmill.steps.instruct.magpie.magpie_form import read_instruction, repeats
from sftmill.steps.instruct.magpie.magpie_template import Template


class Magpie(AskStep):
    """Lets a model write the user's turn: an instruction for every row, out of nothing but the model's chat format.

    Magpie (Xu et al. 2024, arXiv 2406.08464). The model continues, as raw text, its format's prefix up to the first
    word of the user's turn, so that the endpoint must have /v1/completions and must not apply a template of its own.
    A system text steers domain and language: the row's own system turn, or `system`, or, for rows that are Chinese or
    have a `topic`, the prompt `system`; without one the instructions of most models are English. What is drawn is cut
    where an answer begins and judged by rules. Drops: `empty`, `thought` (<think> in the question), `truncated`,
    `answer_leak`, `too_short`, `too_long`, `only_code`, `only_heading`, `wrong_language`, `begins_midway`,
    `ends_open` (a comma, a colon, an open bracket), `loop`, `assistant_voice`, `template_echo`.
    With vLLM give the role `extra_body: {skip_special_tokens: false}`, or it does not see control tokens as stops.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    may_read: ClassVar[tuple[str, ...]] = ("topic", "messages", "draw")
    writes: ClassVar[tuple[str, ...]] = ("messages", "question", "method")
    prompts: ClassVar[tuple[str, ...]] = ("system", "follow_up")
    prompt_values: ClassVar[tuple[str, ...]] = ("steering",)
    """What the prompt `follow_up` is given: the system text of the first turn, or the empty string."""

    to: str = "teacher"
    """Role of the model that is drawn from."""
    to_answer: str | None = None
    """Role that answers all turns but the last where `turns` is above 1; None = `to`, as Magpie does."""
    family: str = "auto"
    """The model's chat format: auto (from its name), qwen2.5, llama3.1, chatml, ...; an unknown one lists all."""
    name: str | None = None
    """The model's own name, such as Qwen2.5-7B-Instruct, where the endpoint calls it otherwise; None = as it says."""
    template: Path | None = None
    """A tokenizer's folder, chat_template.jinja or .gguf file to take the chat format from, instead of `family`."""
    bos: Literal["auto", "server", "text"] = "auto"
    """Who puts the BOS in front: the server, the sent text, or as is usual for the format; it must be there once."""
    system: str | None = None
    """System text that steers domain and language; None = the row's own, or the prompt `system` (see `steer`)."""
    steer: bool = True
    """Whether rows without a system text that are Chinese or have a topic get the prompt `system`."""
    default_system: bool = True
    """Whether rows without any get the format's own default system text; off = start at the user's turn."""
    keep_system: bool = False
    """Whether the sample keeps the system text that it was drawn under."""
    turns: int = Field(1, ge=1, le=8)
    """Most user turns of a conversation; above 1 the model answers, and is told that the user will ask on. A
    conversation whose next turn breaks a rule or repeats an earlier one, or whose answer is cut off, ends with the turns that it has."""
    temperature: float | None = Field(None, ge=0, le=2)
    """Of instructions; None = the format's own, mostly 1.0 (Magpie's published sets go up to 1.25)."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Of instructions; None = the format's own, mostly 1."""
    max_tokens: int = Field(512, ge=16)
    """Tokens that an instruction may have; one cut off there is dropped. Magpie itself allows 2048."""
    answer_temperature: float = Field(0.0, ge=0, le=2)
    """Of the answers between turns."""
    answer_max_tokens: int = Field(1024, ge=16)
    """Tokens that an answer between turns may have."""
    leak: Literal["cut", "drop"] = "cut"
    """What to do where an answer follows the instruction: keep what stands before it, or drop the row."""
    least: int = Field(5, ge=1)
    """Fewest characters (Chinese) or words (English; half as many) of an instruction."""
    most: int = Field(1000, ge=1)
    """Most characters (Chinese) or words (English) of an instruction."""

    def problems(self) -> list[str]:
        """Return what is wrong with the chat format, and which settings contradict each other."""
        found = []
        try:
            self._fixed_template()
        except RecipeError as error:
            found += error.problems
        if self.template and self.family != "auto":
            found.append(f"template: {self.template.name!r} is given beside family {self.family!r}; keep one")
        if self.template and not self.default_system:
            found.append("default_system: a format taken from `template` cannot leave it out; name a `family`")
        if self.to_answer and self.turns == 1:
            found.append("to_answer: with one turn nothing is answered; set `turns`, or leave it out")
        if self.least > self.most:
            found.append(f"least: {self.least} is more than most, which is {self.most}; lower it or raise most")
        return found

    def files(self) -> tuple[Path, ...]:
        """Return the tokenizer's files, where the format is taken from them."""
        return template_files(self.template) if self.template else ()

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the instruction as its user turn, or with a conversation that ends with one."""
        lang = "zh" if (row.get("lang") or "zh") == "zh" else "en"
        form, model = self._fixed_template(), self.name or (self.template.name if self.template else "")
        if form is None:
            model = desk.model(self.to)
            form = find_family(model)
        steering = self._steering(row, desk, lang)
        pairs: list[tuple[str, str]] = []
        question = await self._draw(form, model, steering, pairs, lang, desk)
        while len(pairs) + 1 < self.turns:
            told = desk.prompt("follow_up", steering=steering or "")[0]["content"]
            try:
                reply = await self._answer(steering, pairs, question, desk)
                following = await self._draw(form, model, told, [*pairs, (question, reply)], lang, desk)
            except Drop:
                break
            if any(repeats(following, earlier) for earlier in (question, *(user for user, _ in pairs))):
                break
            pairs.append((question, reply))
            question = following
        return {**row, "messages": _talk(steering if self.keep_system else None, pairs, question), "method": "magpie"}

    async def _answer(self, steering: str | None, pairs: list[tuple[str, str]], question: str, desk: Desk) -> str:
        """Return the answer to the last question, or raise Drop where it is cut off: half of it is nothing to go on from."""
        sampling = Sampling(temperature=self.answer_temperature, max_tokens=self.answer_max_tokens, keep_truncated=True)
        reply = (await desk.ask(_talk(steering, pairs, question), to=self.to_answer or self.to, sampling=sampling))[0]
        if reply.finish == "length" or not reply.text.strip():
            raise Drop("no_answer")
        return reply.text.strip()

    def _fixed_template(self) -> Template | None:
        """Return the format that the settings name; None where the endpoint must be asked for its model's name."""
        if self.template:
            return load_template(self.template)
        if self.family != "auto":
            if self.family not in FAMILIES:
                raise RecipeError(
                    f"family: no chat format {self.family!r}; known are auto, {', '.join(sorted(FAMILIES))}"
                )
            return FAMILIES[self.family]
        return find_family(self.name) if self.name else None

    def _steering(self, row: Row, desk: Desk, lang: str) -> str | None:
        if own := system(row) or self.system:
            return own
        if self.steer and (lang == "zh" or row.get("topic")):
            return desk.prompt("system")[0]["content"]
        return None

    async def _draw(
        self, form: Template, model: str, told: str | None, pairs: list[tuple[str, str]], lang: str, desk: Desk
    ) -> str:
        """Return one instruction, or raise Drop."""
        bos = self.bos == "text" or (self.bos == "auto" and not form.server_adds_bos)
        try:
            prefix = form.prefix(told, pairs, bos=bos, default_system=self.default_system)
        except ValueError as error:
            raise RecipeError(f"turns: {error}; set `turns: 1`, or name a `family`") from None
        heat, top_p = form.sampling_for(model)
        drawn = Sampling(
            temperature=heat if self.temperature is None else self.temperature,
            top_p=top_p if self.top_p is None else self.top_p,
            max_tokens=self.max_tokens,
            stop=form.stops,
            keep_truncated=True,
        )
        reply = (await desk.complete(prefix, to=self.to, sampling=drawn))[0]
        return read_instruction(
            reply.text,
            lang,
            stops=form.stops,
            truncated=reply.finish == "length",
            system=told or "",
            leak=self.leak,
            least=self.least if lang == "zh" else max(1, self.least // 2),
            most=self.most,
        )


def _talk(system_text: str | None, pairs: list[tuple[str, str]], question: str) -> list[Message]:
    """Return a conversation as messages, ending with the question."""
    head = [{"role": "system", "content": system_text}] if system_text else []
    turns = [m for q, a in pairs for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})]
    return [*head, *turns, {"role": "user", "content": question}]
