"""An answer for every question."""

from sftmill.core import AskStep, Desk, Row, answered, sampling, turns


class Respond(AskStep):
    """Lets a model answer the conversation as it stands; an assistant turn at its end is replaced."""

    reads = ("messages",)
    writes = ("messages", "reasoning")

    to: str = "teacher"
    """Role that answers."""
    temperature: float = 0.0
    """0 = the most likely answer."""
    max_tokens: int = 1024
    """Most tokens of an answer."""

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the answer as its last turn."""
        messages = turns(row)
        if messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        reply = (await desk.ask(messages, to=self.to, sampling=sampling(self.temperature, self.max_tokens)))[0]
        return answered(row, reply.text, reply.reasoning)
