"""Markdown -> blocks; marks of emphasis and links are taken off, tables, lists and code stay recognisable."""

import re
from typing import TYPE_CHECKING

from sftmill.steps.ingest.parse_html import parse_html
from sftmill.steps.ingest.sections import Block, collapse, join_lines
from sftmill.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = lazy_pattern(r"\A---\n(.{0,20000}?)\n(?:---|\.\.\.)\n", re.S)
_TITLE = lazy_pattern(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.M)


def parse_markdown(text: str) -> tuple[str, list[Block]]:
    """Return the title given in the front matter ("" when there is none) and the blocks."""
    title = ""
    if match := _FRONT_MATTER.match(text):
        found = _TITLE.search(match[1])
        title = found[1] if found else ""
        text = text[match.end() :]
    from markdown_it import MarkdownIt  # 30 ms, which only runs that read Markdown should wait for

    tokens = MarkdownIt("commonmark", {"maxNesting": 50}).enable("table").enable("strikethrough").parse(text)
    return title, _blocks(tokens)


def _blocks(tokens: "list[Token]") -> list[Block]:
    blocks: list[Block] = []
    heading = 0
    lists: list[int | None] = []  # the next number of each open list, None for bullets
    items: list[str] = []  # lines of the outermost open list
    fresh = False  # the next text opens an item
    rows: list[list[str]] = []

    def put(text: str) -> None:
        nonlocal fresh
        if not text:
            return
        if not lists:
            blocks.append(Block(text, heading))
            return
        pad = "  " * min(len(lists) - 1, 5)
        mark = ""
        if fresh:
            mark = "- " if lists[-1] is None else f"{lists[-1]}. "
            if lists[-1] is not None:
                lists[-1] += 1
        fresh = False
        items.extend(pad + (mark if i == 0 else " " * len(mark)) + line for i, line in enumerate(text.split("\n")))

    for token in tokens:
        kind = token.type
        if kind == "heading_open":
            heading = int(token.tag[1])
        elif kind == "heading_close":
            heading = 0
        elif kind in ("bullet_list_open", "ordered_list_open"):
            lists.append(int(token.attrGet("start") or 1) if kind[0] == "o" else None)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
            if not lists and items:
                blocks.append(Block("\n".join(items)))
                items = []
        elif kind == "list_item_open":
            fresh = True
        elif kind in ("fence", "code_block"):
            put(f"```{token.info.strip()}\n{token.content.rstrip()}\n```")
        elif kind == "html_block":
            for block in parse_html(token.content)[1]:
                put(block.text)
        elif kind == "tr_open":
            rows.append([])
        elif kind == "table_close":
            put("\n".join(" | ".join(row) for row in rows))
            rows = []
        elif kind == "inline":
            text = _inline(token)
            if rows and token.level and _in_cell(token):
                rows[-1].append(collapse(text.replace("\n", " ")))
            else:
                put(text)
    return blocks


def _in_cell(token: "Token") -> bool:
    return token.level >= 4  # table, thead or tbody, tr, th or td


def _inline(token: "Token") -> str:
    lines: list[str] = [""]
    hard = [False]
    for child in token.children or []:
        if child.type in ("text", "text_special"):
            lines[-1] += child.content
        elif child.type == "code_inline":
            lines[-1] += f"`{child.content}`"
        elif child.type == "image":
            lines[-1] += child.content
        elif child.type in ("softbreak", "hardbreak"):
            lines.append("")
            hard.append(child.type == "hardbreak")
        elif child.type == "html_inline" and re.match(r"<br\b", child.content, re.I):
            lines.append("")
            hard.append(True)
    paragraphs: list[list[str]] = []
    for line, starts in zip(lines, [True, *hard[1:]], strict=True):
        if starts:
            paragraphs.append([])
        paragraphs[-1].append(line.strip())
    return "\n".join(filter(None, (collapse(join_lines(p)) for p in paragraphs)))
