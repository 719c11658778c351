"""The turns of a chat format as text: what stands before a user's words, with system text and earlier turns or without."""

from collections.abc import Sequence
from dataclasses import dataclass

from sftmill.text import escape_control_tokens


@dataclass(frozen=True, slots=True)
class Template:
    """A chat format, cut into the pieces from which a pre-query prefix is put together.

    A pre-query prefix (Magpie, Xu et al. 2024, arXiv 2406.08464) is all that a model has read when the first
    token of the user's turn is due. It is `bos`, `opening` and, with earlier turns, the user's words, `between`,
    the assistant's words, `after`, and so on.
    """

    name: str
    opening: str
    """From behind the BOS to the first user's words, with the format's own system block, if it has one."""
    bare: str | None = None
    """The same without any system block; None where that is not known."""
    around_system: tuple[str, str] = ("", "")
    """What stands before and behind a system text, in the place of `opening`."""
    between: str = ""
    """From the end of the user's words to the assistant's."""
    after: str | None = ""
    """From the end of the assistant's words to the next user's; None where earlier turns cannot be put together so."""
    system_last: bool = False
    """Whether the system text stands in the last user turn rather than before the first."""
    bos: str = ""
    """What the tokenizer puts before every text, if it does."""
    server_adds_bos: bool = True
    """Whether servers of raw completions put it there themselves."""
    stops: tuple[str, ...] = ()
    """Control tokens that end a user's turn; never plain words, which instructions may hold."""
    temperature: float = 1.0
    top_p: float = 1.0
    by_size: tuple[tuple[str, float, float], ...] = ()
    """(part of the model's name in lower case, temperature, top_p) for sizes that want others."""
    matches: str = ""
    """Regular expression that finds the family in a model's name; lower case, with "-" for "_" and space."""
    notes: str = ""
    """Source and peculiarities."""

    def prefix(
        self,
        system: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        *,
        bos: bool = False,
        default_system: bool = True,
    ) -> str:
        """Return the text after which the model writes the user's next turn.

        `history` has (user, assistant) pairs. With `bos` the BOS stands in the text: exactly where the server does
        not add it, for twice is as wrong as not at all. Control tokens in what is filled in are escaped.
        Raises ValueError for a history where the format cannot take one.
        """
        if history and self.after is None:
            raise ValueError(f"the chat template {self.name!r} takes no earlier turns")
        before, behind = self.around_system
        text = escape_control_tokens(system) if system else ""
        head = self.opening if default_system or self.bare is None else self.bare
        if text and not (self.system_last and history):
            head = before + text + behind
        elif text and self.bare is not None:
            head = self.bare
        pieces = [self.bos if bos else "", head]
        for user, assistant in history:
            pieces += [escape_control_tokens(user), self.between, escape_control_tokens(assistant), self.after or ""]
        if text and self.system_last and history:
            pieces += [text, behind]
        return "".join(pieces)

    def sampling_for(self, model: str) -> tuple[float, float]:
        """Return (temperature, top_p) for instructions of a model of this family, by its name."""
        name = model.lower()
        return next(((heat, p) for part, heat, p in self.by_size if part in name), (self.temperature, self.top_p))
