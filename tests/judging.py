"""A desk whose models are functions of the prompt, for tests of judges."""

import asyncio

from sftmill.core import Drop, Reply
from sftmill.errors import Unparsable
from sftmill.models import structured
from sftmill.models.desk import _Values
from sftmill.models.prompt import Prompts


class ScriptedDesk:
    """Renders the packaged prompts as a run does, and answers by `say(to, prompt, sample)`.

    A reply is a text, or a Reply; None stands for a model that never gives what was asked for. With a schema the
    text is read as the house reads it.
    """

    def __init__(self, name, step, row, say):
        self.name, self.step, self.row, self.say = name, step, row, say
        self.calls = []

    def model(self, to="teacher"):
        return f"model of {to}"

    def prompt(self, name, **values):
        assert values.keys() <= set(self.step.prompt_values)
        return Prompts().render(self.name, name, self.row.get("lang") or "zh", _Values(values, self.row, self.step))

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.calls.append({"prompt": prompt, "to": to, "n": n, "schema": schema, "sampling": sampling})
        await asyncio.sleep(0)
        replies = []
        for sample in range(n):
            said = self.say(to, prompt, sample)
            reply = said if isinstance(said, Reply) else Reply(said or "", sample=sample)
            if schema is not None:
                try:
                    reply.data = structured.parse(reply.text, schema)
                except ValueError:
                    continue
            replies.append(reply)
        if not replies:
            raise Unparsable("no such form; use a larger model")
        return replies


def run(name, step, row, say):
    """Return what a step makes of a row, or its Drop, and the desk."""
    desk = ScriptedDesk(name, step, row, say)
    try:
        return asyncio.run(step.row(row, desk)), desk
    except Drop as drop:
        return drop, desk


def sample(question, answer, lang="zh", **more):
    """Return a row with one question and its answer."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": question, "lang": lang, "messages": turns, **more}
