"""Puts a placeholder, in the language of the row, where personal data stood."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sftmill.steps.ingest.personal.beside import find_names_beside
from sftmill.steps.ingest.personal.finds import Find, plain
from sftmill.steps.ingest.personal.names import find_names
from sftmill.steps.ingest.personal.online import find_addresses_of_machines, find_chats, find_mails
from sftmill.steps.ingest.personal.papers import find_bank_cards, find_identity_numbers, find_papers
from sftmill.steps.ingest.personal.phones import find_phones
from sftmill.steps.ingest.personal.places import find_places
from sftmill.steps.ingest.personal.tables import find_columns
from sftmill.text.lazy import lazy_pattern

PLACEHOLDERS: dict[str, tuple[str, str]] = {
    "mobile": ("［手机号］", "[mobile number]"),
    "phone": ("［电话号码］", "[phone number]"),
    "id_card": ("［身份证号］", "[identity number]"),
    "bank_card": ("［银行账号］", "[bank account]"),
    "email": ("［邮箱］", "[email address]"),
    "name": ("［姓名］", "[name]"),
    "address": ("［地址］", "[postal address]"),
    "passport": ("［证件号］", "[document number]"),
    "plate": ("［车牌号］", "[licence plate]"),
    "account": ("［账号］", "[account name]"),
    "record": ("［档案号］", "[record number]"),
    "birth_date": ("［出生日期］", "[date of birth]"),
    "ssn": ("［社保号］", "[social security number]"),
    "ip": ("［IP地址］", "[IP address]"),
}
"""What stands for each kind, in Chinese and English; brackets that neither Markdown nor templates act on."""

_RANK = {kind: i for i, kind in enumerate(PLACEHOLDERS)}
_PLACEHOLDER = lazy_pattern("|".join(re.escape(word) for pair in PLACEHOLDERS.values() for word in pair))
_CJK = lazy_pattern("[\u4e00-\u9fff]")
_DIGIT = lazy_pattern("[0-9０-９]")
_ROUNDS = 4
"""Passes over a text with finds: a mask can lay bare what stood too near to it."""


def find_personal(text: str, kinds: Iterable[str], keep: Iterable[str] = ()) -> list[Find]:
    """Return the personal data of these kinds in `text`, in order, none within another or a placeholder."""
    wanted = frozenset(kinds)
    looked = plain(text)
    finds = [find for find in _all(looked, wanted) if find.kind in wanted]
    finds += [find for find in find_columns(looked, lambda cell: _all(cell, wanted)) if find.kind in wanted]
    if not finds:
        return []
    taken = [Find(m.start(), m.end(), "") for m in _PLACEHOLDER.finditer(text)]
    for word in keep:
        at = text.find(word) if word else -1
        while at >= 0:
            taken.append(Find(at, at + len(word), ""))
            at = text.find(word, at + len(word))
    free = bytearray(len(text) + 1)
    for find in taken:
        free[find.start : find.end] = b"\1" * (find.end - find.start)
    chosen = []
    for find in sorted(finds, key=lambda f: (f.start - f.end, _RANK[f.kind], f.start)):
        if not any(free[find.start : find.end]):
            free[find.start : find.end] = b"\1" * (find.end - find.start)
            chosen.append(find)
    return sorted(chosen)


def _all(text: str, wanted: frozenset[str]) -> Iterator[Find]:
    chinese = _CJK.search(text) is not None
    numbers = list(_numbers(text, wanted, chinese))
    yield from numbers
    if "address" in wanted:
        yield from find_places(text, chinese)
    if "name" in wanted:
        yield from find_names(text, chinese)
        yield from find_names_beside(text, numbers)


def _numbers(text: str, wanted: frozenset[str], chinese: bool) -> Iterator[Find]:
    if _DIGIT.search(text) or chinese:
        if wanted & {"mobile", "phone"}:
            yield from find_phones(text)
        if "id_card" in wanted:
            yield from find_identity_numbers(text)
        if "bank_card" in wanted:
            yield from find_bank_cards(text)
        if wanted & {"passport", "ssn", "plate", "record", "birth_date"}:
            yield from find_papers(text)
        if "ip" in wanted:
            yield from find_addresses_of_machines(text)
    if "email" in wanted:
        yield from find_mails(text)
    if "account" in wanted:
        yield from find_chats(text)


def mask(text: str, lang: str, kinds: Iterable[str], keep: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Return `text` with placeholders, and the kinds masked, one entry a find; the same object without finds."""
    masked: list[str] = []
    for _ in range(_ROUNDS):
        finds = find_personal(text, kinds, keep)
        if not finds:
            break
        parts, end = [], 0
        for find in finds:
            parts += [text[end : find.start], PLACEHOLDERS[find.kind][lang == "en"]]
            end = find.end
        text = "".join([*parts, text[end:]])
        masked += [find.kind for find in finds]
    return text, masked


def mask_json(text: str, masking: Callable[[str], tuple[str, list[str]]]) -> tuple[str, list[str]]:
    """Return JSON with its strings and numbers masked, a key counting as cue; other text is masked as it stands."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return masking(text)
    masked: list[str] = []

    def walk(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, key) for v in value]
        if isinstance(value, bool) or value is None:
            return value
        written = value if isinstance(value, str) else repr(value)
        if isinstance(value, str) and value[:1] in ("{", "["):
            made, found = mask_json(value, masking)
        else:
            head = f"{key.replace('_', ' ')}: " if key else ""
            made, found = masking(head + written)
            if not made.startswith(head):
                made, found = masking(written)
            else:
                made = made[len(head) :]
        masked.extend(found)
        return made if found else value

    try:
        walked = walk(value, "")
    except RecursionError:
        return masking(text)
    return (json.dumps(walked, ensure_ascii=False), masked) if masked else (text, [])
