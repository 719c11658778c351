"""Licences as source tables state them: what they are called elsewhere, and what asks for care."""

import re
import unicodedata
from typing import Literal

Care = Literal["open", "share_alike", "non_commercial", "no_derivatives", "restricted", "unknown"]
"""What a licence asks for, by its name alone; this is a hint to a person, not a legal opinion."""

# Identifiers that Hugging Face knows (hub documentation, "Licenses"), as far as texts and code have them.
_KNOWN = frozenset(
    {
        "apache-2.0",
        "mit",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl-2.1",
        "lgpl-3.0",
        "agpl-3.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "mpl-2.0",
        "gfdl",
        "odbl",
        "odc-by",
        "pddl",
        "unlicense",
        "wtfpl",
        "artistic-2.0",
        "epl-2.0",
        "eupl-1.1",
    }
)
_NOISE = re.compile(r"\b(?:the|licen[cs]e|version)\b|许可证|许可协议|协议|(?<=[\s-])v(?=\d)")
_UNKNOWN = re.compile(r"^(?:|-+|\?+|？+|n/?a|none|unknown|unclear|tbd|not stated|未知|不明|不详|不清楚|待定|无|没有)$")
_CARE: tuple[tuple[Care, re.Pattern[str]], ...] = (
    (
        "non_commercial",
        re.compile(r"\bnc\b|non-?\s?commercial|非商业|非商用|非营利|不得商用|禁止商用|仅供(?:研究|学习)|research only"),
    ),
    ("no_derivatives", re.compile(r"\bnd\b|no-?\s?deriv|禁止演绎|不得改编")),
    (
        "restricted",
        re.compile(r"proprietary|all rights reserved|confidential|internal|版权所有|保留所有权利|专有|内部|保密"),
    ),
    ("share_alike", re.compile(r"\bsa\b|share-?\s?alike|相同方式共享|\b[al]?gpl|\bgfdl|\bodbl")),
)


def identifier(licence: str) -> str | None:
    """Return the licence's identifier on Hugging Face, None where its name is no known one."""
    name = _NOISE.sub(" ", unicodedata.normalize("NFKC", licence).lower())
    name = re.sub(r"-(?:only|or-later)$", "", re.sub(r"[\s_,/-]+", "-", name).strip("-"))
    return next((form for form in (name, f"{name}.0", name.removesuffix("+")) if form in _KNOWN), None)


def care(licence: str) -> Care:
    """Tell what a licence asks for; "open" where nothing in its name warns."""
    name = unicodedata.normalize("NFKC", licence).lower().strip()
    if _UNKNOWN.match(name):
        return "unknown"
    words = name.replace("_", "-")
    return next((kind for kind, pattern in _CARE if pattern.search(words)), "open")


def of_all(licences: list[str]) -> str:
    """Return what a data set made from sources under these licences calls its own: one identifier, unknown or other."""
    if not licences or any(care(licence) == "unknown" for licence in licences):
        return "unknown"
    names = {identifier(licence) for licence in licences}
    return (names.pop() or "other") if len(names) == 1 else "other"
