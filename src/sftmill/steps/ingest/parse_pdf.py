"""PDF with a text layer -> blocks; what has no text is told, page by page."""

from typing import Any, NamedTuple

from sftmill.core import Drop
from sftmill.steps.ingest.pdf_heads import without_heads
from sftmill.steps.ingest.pdf_page import PageText, read_page
from sftmill.steps.ingest.pdf_text import blocks_of
from sftmill.steps.ingest.pdf_titles import Mark
from sftmill.steps.ingest.sections import Block, collapse
from sftmill.text.lazy import lazy_pattern

MOST_PAGES = 20_000
"""Pages of the longest file that is read."""
FEW = 30
"""Visible characters of a page with a large picture up to which it counts as scanned."""
UNMAPPED = 0.3
"""Share of a page's characters without a known meaning from which on it counts as having no text."""
OCR = "put it through an OCR program first"
EXTRACTION = 1 << 4
"""The permission to take text out (ISO 32000-1, table 22: bit 5)."""

_BORING = lazy_pattern(
    r"(?i)\A(?:microsoft \w+ - |untitled|无标题|document\d*\Z|.{0,80}\.(?:docx?|indd|tex|wps|pdf)\Z)"
)


class PdfText(NamedTuple):
    """What a PDF says: its title ("" for none), its blocks, and what could not be read."""

    title: str
    blocks: list[Block]
    pages: int
    unread: list[int]
    """Pages without text, from 1."""


def parse_pdf(data: bytes) -> PdfText:
    """Read a PDF; raises Drop("encrypted"), Drop("no_text_layer") or Drop("unreadable")."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Drop("encrypted", why="it needs a password; save it without one") from None
        raise Drop("unreadable", why=f"no PDF that can be opened ({error}); save it again as PDF") from None
    try:
        return _parsed(document)
    finally:
        document.close()


def _parsed(document: Any) -> PdfText:
    from pypdfium2 import raw

    if not raw.FPDF_GetDocUserPermissions(document.raw) & EXTRACTION:
        raise Drop(
            "encrypted", why="it opens, but its owner does not permit taking text out; get a copy without that lock"
        )
    number = len(document)
    if number > MOST_PAGES:
        raise Drop("unreadable", why=f"more than {MOST_PAGES:,} pages; split it", pages=number)
    pages: list[PageText] = []
    unread: list[int] = []
    broken = 0
    for index in range(number):
        page = _page(document, index)
        if page is None:
            broken += 1
            unread.append(index + 1)
            page = PageText([], 0, 0, 0.0, 0.0, False)
        elif (page.characters <= FEW and page.pictured) or page.unmapped > UNMAPPED * max(1, page.characters):
            unread.append(index + 1)
            page = page._replace(lines=[])
        pages.append(page)
    if unread and len(unread) == sum(1 for p in pages if p.characters or p.pictured) + broken:
        unmapped = any(page.unmapped for page in pages)
        why = "its fonts do not say which characters they draw" if unmapped else "its pages are pictures"
        raise Drop("no_text_layer", pages=number, why=f"{why}; {OCR}")
    blocks = blocks_of(without_heads(pages), _outline(document, number))
    return PdfText(_title(document), blocks, number, unread)


def _page(document: Any, index: int) -> PageText | None:
    import pypdfium2

    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return None
    try:
        return read_page(page, index)
    except pypdfium2.PdfiumError:
        return None
    finally:
        page.close()


def _outline(document: Any, pages: int) -> list[Mark]:
    """Return the outline's entries that lead to a page."""
    import pypdfium2

    marks: list[Mark] = []
    try:
        for entry in document.get_toc(max_depth=8):
            goal = entry.get_dest()
            index = goal.get_index() if goal else None
            if index is None or not 0 <= index < pages or len(marks) >= 20_000:
                continue
            _, position = goal.get_view()
            y = position[1] if len(position) > 1 else position[0] if len(position) == 1 else None
            title = collapse(entry.get_title().replace("\n", " "))[:300]
            if title:
                marks.append(Mark(entry.level + 1, title, index, y or None))
    except (pypdfium2.PdfiumError, ValueError):
        pass  # what was read until here serves
    return marks


def _title(document: Any) -> str:
    import pypdfium2

    try:
        title = collapse(document.get_metadata_value("Title").replace("\n", " "))
    except (pypdfium2.PdfiumError, UnicodeError):
        return ""
    return "" if _BORING.match(title) or "\ufffd" in title or len(title) > 200 else title
