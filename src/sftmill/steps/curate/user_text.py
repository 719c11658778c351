"""What a user asks for in a conversation, as one text."""

from sftmill.core import Row, turns


def user_text(row: Row) -> str:
    """Return the user turns of a row, in order, the empty string when there are none.

    A last question such as "why?" means something only behind the turns before it.
    """
    return "\n".join(m["content"].strip() for m in turns(row) if m["role"] == "user" and m["content"]).strip()
