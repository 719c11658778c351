"""Masks personal data before anybody, and any model, reads it."""

from typing import Any, ClassVar, Literal, get_args

from sftmill.core import Message, Row, RowStep
from sftmill.steps.ingest.personal.masking import mask, mask_json
from sftmill.text import detect_lang

Kind = Literal[
    "mobile",
    "phone",
    "id_card",
    "bank_card",
    "email",
    "name",
    "address",
    "passport",
    "plate",
    "account",
    "record",
    "birth_date",
    "ssn",
    "ip",
]

_TEXTS = ("document", "passage", "title", "context", "reasoning", "rejected")
_LISTS = ("title_path", "pieces", "quotations", "candidates")


class PersonalData(RowStep):
    """Puts a placeholder such as ［手机号］ or [mobile number] where personal data stands.

    Numbers are told by form and checksum: identity cards by GB 11643-1999 (ISO 7064 MOD 11-2), bank
    cards by issuer and Luhn digit (ISO/IEC 7812-1), IBANs by ISO 13616, telephones by the numbering
    plans of China, E.164 and North America. What has no form of its own (names, accounts, records,
    dates of birth, social security numbers) counts beside a cue such as 姓名： or "Patient:".
    Addresses count when they reach down to a house, or fill a field such as 家庭住址.

    Left alone: order numbers, amounts, time stamps and the like, service numbers of up to six digits
    (110, 12345, 95588), mail addresses of domains that RFC 2606 reserves, names without a cue, and
    what is anonymous already (王某). Masking twice changes nothing more. `masked` lists what was
    found, one entry a find; a row without finds is handed on as it is.
    """

    may_read: ClassVar[tuple[str, ...]] = ("lang", "messages", "masked", *_TEXTS, *_LISTS)
    writes: ClassVar[tuple[str, ...]] = ("masked",)
    quick: ClassVar[bool] = True
    tallies: ClassVar[tuple[str, ...]] = ("masked",)

    kinds: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "ip")
    """Kinds to mask; "ip" (addresses of machines, which manuals are full of) is there when asked for."""
    keep: tuple[str, ...] = ()
    """Literal strings that are left alone, such as the hotline and the mail address of your own company."""

    def row(self, row: Row) -> Row:
        """Return the row with its texts masked and the finds in `masked`; the same row without finds."""
        changed: Row = {}
        found: list[str] = []
        for name in _TEXTS:
            if text := row.get(name):
                self._put(changed, name, text, self._mask(text, row), found)
        for name in _LISTS:
            if texts := row.get(name):
                pairs = [self._mask(text, row) if text else (text, []) for text in texts]
                kinds = [kind for _, finds in pairs for kind in finds]
                self._put(changed, name, texts, ([text for text, _ in pairs], kinds), found)
        if messages := row.get("messages"):
            made = [self._message(message, row, found) for message in messages]
            if any(new is not old for new, old in zip(made, messages, strict=True)):
                changed["messages"] = made
        if not changed:
            return row
        return {**row, **changed, "masked": [*(row.get("masked") or ()), *found]}

    @staticmethod
    def _put(changed: Row, name: str, before: Any, after: tuple[Any, list[str]], found: list[str]) -> None:
        if after[1]:
            changed[name] = after[0]
            found.extend(after[1])

    def _mask(self, text: str, row: Row) -> tuple[str, list[str]]:
        return mask(text, row.get("lang") or detect_lang(text), self.kinds, self.keep)

    def _message(self, message: Message, row: Row, found: list[str]) -> Message:
        made = message
        for name in ("content", "tool_calls"):
            text = message.get(name)
            if not isinstance(text, str) or not text:
                continue
            masking = lambda piece: self._mask(piece, row)  # noqa: E731
            after, kinds = mask_json(text, masking) if name == "tool_calls" else masking(text)
            if kinds:
                made = {**made, name: after}
                found.extend(kinds)
        return made
