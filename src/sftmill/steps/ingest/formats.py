"""A file's bytes -> its title and sections, whatever format it has; what cannot be read is named with its reason."""

import os
import re
from typing import NamedTuple

from sftmill.core import Drop
from sftmill.steps.ingest.decoding import clean, decode
from sftmill.steps.ingest.parse_docx import parse_docx
from sftmill.steps.ingest.parse_html import declared_charset, parse_html
from sftmill.steps.ingest.parse_markdown import parse_markdown
from sftmill.steps.ingest.parse_pdf import OCR, parse_pdf
from sftmill.steps.ingest.parse_table import parse_csv, parse_workbook
from sftmill.steps.ingest.parse_text import parse_text
from sftmill.steps.ingest.sections import Block, Section, gather
from sftmill.text.lazy import lazy_pattern

DAMAGE = 0.01
"""Share of unreadable characters above which a file is not used."""

TEXT = (".txt",)
MARKDOWN = (".md", ".markdown")
HTML = (".html", ".htm", ".xhtml")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
CSV = (".csv", ".tsv")
READABLE = (*TEXT, *MARKDOWN, *HTML, ".pdf", ".docx", *CSV, *WORKBOOKS)
"""Endings of the files that can be read, archives apart."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""What the files of Word, Excel and PowerPoint 97 to 2003 begin with, and those of any version with a password."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PICTURE = f"a picture; {OCR}"
_AS_DOCX, _AS_PDF = "save it as docx", "save it as pdf"
_UNPACK = "unpack it, or pack it as zip"
_ADVICE = {
    ".doc": f"Word before 2007; {_AS_DOCX}",
    ".docm": f"Word with macros; {_AS_DOCX}",
    ".dot": f"a Word template; {_AS_DOCX}",
    ".wps": f"WPS Writer; {_AS_DOCX}",
    ".rtf": f"Rich Text; {_AS_DOCX}",
    ".odt": f"OpenDocument text; {_AS_DOCX}",
    ".pages": f"Apple Pages; {_AS_DOCX}",
    ".ppt": f"PowerPoint before 2007; {_AS_PDF}",
    ".pptx": f"PowerPoint; {_AS_PDF}",
    ".dps": f"WPS Presentation; {_AS_PDF}",
    ".odp": f"OpenDocument slides; {_AS_PDF}",
    ".et": "WPS Spreadsheets; save it as xlsx",
    ".xlsb": "an Excel binary workbook; save it as xlsx",
    ".numbers": "Apple Numbers; save it as xlsx",
    ".caj": f"CAJ; {_AS_PDF}",
    ".ofd": f"OFD; {_AS_PDF}",
    ".djvu": f"DjVu; {_AS_PDF}",
    ".epub": "an e-book; save it as html or pdf",
    ".mobi": "an e-book; save it as html or pdf",
    ".azw3": "an e-book; save it as html or pdf",
    ".chm": "Windows help; save it as html or pdf",
    ".mht": "a web archive; save it as html",
    ".mhtml": "a web archive; save it as html",
    ".eml": "an e-mail; save it as txt, html or pdf",
    ".msg": "an e-mail; save it as txt, html or pdf",
    ".gz": _UNPACK,
    ".7z": _UNPACK,
    ".rar": _UNPACK,
    ".tar": _UNPACK,
    ".tgz": _UNPACK,
    ".bz2": _UNPACK,
    ".xz": _UNPACK,
}
_ADVICE |= dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".jp2"), _PICTURE)
_MAGIC = [
    (b"\x89PNG\r\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"II*\0", _PICTURE),
    (b"MM\0*", _PICTURE),
    (b"{\\rtf", _ADVICE[".rtf"]),
    (b"\x1f\x8b\x08", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", _UNPACK),
    (b"Rar!\x1a\x07", _UNPACK),
    (b"PAR1", "a Parquet table; save it as csv or xlsx"),
    (b"SQLite format 3\0", "a database; export its texts as csv"),
]
_LOOKS_LIKE_HTML = lazy_pattern(r"\s*(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html)\b", re.I)
_LOOKS_LIKE_TABLE = lazy_pattern(r"\s*<(?:!doctype\s+html|html|head|meta|table|style|body)\b", re.I)


class Document(NamedTuple):
    """What a file says."""

    title: str
    sections: list[Section]
    pages: int = 0
    """Number of pages, 0 where it has none."""
    unread: tuple[int, ...] = ()
    """Pages without text, from 1."""


def advice(name: str) -> str | None:
    """Return what a file that cannot be read is, and what to make of it; None for what may be readable."""
    return _ADVICE.get(os.path.splitext(name)[1].lower())


def read(data: bytes, name: str) -> Document:
    """Parse a file's bytes; `name` tells the format where the bytes do not.

    Raises Drop: "unreadable", "encrypted", "no_text_layer" or "format_not_supported", saying why and what to do.
    """
    suffix = os.path.splitext(name)[1].lower()
    pages, unread = 0, ()
    if b"%PDF-" in data[:1024] and (suffix == ".pdf" or data.startswith(b"%PDF-")):
        found = parse_pdf(data)
        title, blocks, pages, unread = found.title, found.blocks, found.pages, tuple(found.unread)
    else:
        title, blocks = _blocks(data, suffix)
    blocks = [block._replace(text=clean(block.text)) for block in blocks]
    first = next((block.text for block in blocks[:20] if block.level == 1), "")
    title = clean(title) or first or os.path.splitext(name.rpartition("/")[2])[0]
    return Document(title, gather(blocks), pages, unread)


def _blocks(data: bytes, suffix: str) -> tuple[str, list[Block]]:
    if suffix == ".pdf" and data.strip():
        raise Drop("unreadable", why="no PDF, whatever its name says; save it again as PDF")
    if data.startswith(_OLE) and suffix != ".xls":
        if _ENCRYPTED in data:
            raise Drop("encrypted", why="it needs a password; save it without one")
        raise Drop(
            "format_not_supported",
            why=_ADVICE.get(suffix, "an office file from before 2007; save it as docx, xlsx or pdf"),
        )
    for begin, why in _MAGIC:
        if data.startswith(begin):
            raise Drop("format_not_supported", why=why)
    if suffix in _ADVICE and not (suffix == ".gz" and data[:1] in (b"{", b"[")):
        raise Drop("format_not_supported", why=_ADVICE[suffix])
    if suffix == ".docx":
        return parse_docx(data)
    if data.startswith((b"PK\x03\x04", _OLE)) or suffix in (".ods",):
        return "", parse_workbook(data)
    text = _text(data, suffix)
    if suffix in HTML or _LOOKS_LIKE_HTML.match(text) or (suffix in WORKBOOKS and _LOOKS_LIKE_TABLE.match(text)):
        return parse_html(text)
    if suffix in MARKDOWN:
        return parse_markdown(text)
    if suffix in CSV or suffix in WORKBOOKS:
        return "", parse_csv(text, suffix)
    return "", parse_text(text)


def _text(data: bytes, suffix: str) -> str:
    """Decode a text file; raises Drop("unreadable") for what is none."""
    text, encoding, damaged = decode(data, declared_charset(data) if suffix in HTML else None)
    if damaged > DAMAGE * len(text):
        raise Drop("unreadable", why="not text in an encoding known here", encoding=encoding, damaged=damaged)
    if (lost := sum(c < " " and c not in "\t\n\r\f\v" for c in text[:100_000])) > DAMAGE * min(len(text), 100_000):
        raise Drop("unreadable", why="binary data", controls=lost)
    return clean(text)
