"""HTML -> blocks: headings, paragraphs, tables, lists and code; page furniture left out."""

import re

from selectolax.lexbor import LexborHTMLParser

from sftmill.steps.ingest.sections import Block, collapse, needs_space
from sftmill.text.lazy import lazy_pattern

_LEFT_OUT = frozenset(
    str.split(
        "script style nav footer aside noscript template svg iframe object embed canvas audio video button select "
        "datalist input textarea dialog head map"
    )
)
_FURNITURE = frozenset(
    str.split(
        "nav navbar navigation navheader navfooter docnav breadcrumb breadcrumbs pagination pager toc skip-link "
        "skip-to-content site-header site-footer banner cookie-banner sr-only visually-hidden noprint"
    )
)
_ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog"])
_HEADINGS = {f"h{i}": i for i in range(1, 7)}
_BLOCKS = frozenset(
    str.split(
        "p div section article main header body html ul ol li dl dt dd blockquote figure figcaption table thead tbody "
        "tfoot tr td th caption form fieldset address details summary center hr pre h1 h2 h3 h4 h5 h6 legend noframes"
    )
)
_SPACE = lazy_pattern(r"\s+")
_CHARSET = lazy_pattern(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]{2,20})|<\?xml[^>]{0,100}?encoding=[\"']([\w-]{2,20})", re.I
)


def declared_charset(data: bytes) -> str | None:
    """Return the encoding that an HTML file names in its first 4,096 bytes."""
    match = _CHARSET.search(data[:4096])
    return (match[1] or match[2]).decode("ascii") if match else None


def parse_html(text: str) -> tuple[str, list[Block]]:
    """Return the page's title ("" when it has none) and its blocks.

    The tree is walked without recursion, so that a page nested 100,000 deep is only a page.
    """
    tree = LexborHTMLParser(_flattened(text))
    head = tree.css_first("head > title")
    title = collapse(_SPACE.sub(" ", head.text())) if head is not None else ""
    return title, _Walk().blocks(tree.body) if tree.body is not None else []


_DEEPEST = 500
"""Levels of nested containers that are kept, as browsers do; the parser's time grows with their square."""
_CONTAINER = lazy_pattern(
    r"<(/?)(?:div|section|article|main|table|tbody|thead|tr|td|th|ul|ol|dl|blockquote|span|font|center|form|fieldset|"
    r"details|figure|pre|a|b|i|u|em|strong|small|big|code|tt|sup|sub|body|aside|header)\b[^>]{0,2000}>",
    re.I,
)


def _flattened(text: str) -> str:
    """Take out containers nested too deep, and keep what is in them."""
    depth = 0

    def kept(match: re.Match[str]) -> str:
        nonlocal depth
        if match[1]:
            depth -= depth > 0
            return match[0] if depth < _DEEPEST else " "
        depth += 1
        return match[0] if depth <= _DEEPEST else " "

    return _CONTAINER.sub(kept, text)


class _Table:
    """A table being read: its rows, or a layout table whose cells are read as a page."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.layout = False


class _Walk:
    def __init__(self) -> None:
        self.out: list[Block] = []
        self.inline: list[str] = []
        self.pre = 0
        self.heading = 0
        self.tables: list[_Table] = []
        self.lists: list[int | None] = []
        self.mark = ""
        """What the next text is led in by, as the first of a list item."""
        self.items: list[str] = []
        self.items_link = True
        self.cell_depth = 0
        self.linked = 0
        """How many open links there are."""
        self.headed = False
        self.leading_links: list[int] = []
        self.unlinked = False
        """Whether the inline text at hand has words outside of links."""

    def blocks(self, root) -> list[Block]:
        node, entering = root, True
        while node is not None:
            deeper = self._enter(node) if entering else False
            child = node.child if deeper else None
            if child is not None:
                node, entering = child, True
                continue
            if not entering or deeper:
                self._leave(node.tag)
            if node.mem_id == root.mem_id:
                break
            following = node.next
            node, entering = (following, True) if following is not None else (node.parent, False)
        self._flush()
        self._put("")
        if self.headed:  # links above the first heading lead elsewhere: "Home", "Download"
            for i in reversed(self.leading_links):
                del self.out[i]
        return self.out

    def _enter(self, node) -> bool:
        """Take in a node; return whether its children are wanted (then it will be left, too)."""
        tag = node.tag
        if tag == "-text":
            text = node.text_content or ""
            self.unlinked = self.unlinked or not (self.linked or text.isspace())
            if self.pre or not text.isspace():
                self.inline.append(text)
            elif self.inline and not self.inline[-1].endswith((" ", "\n")):
                self.inline.append(" " if "\n" not in text else "\n")
            return False
        if tag in _LEFT_OUT or tag[0] in "-!_":
            return False
        if tag == "br":
            self.inline.append("\x00" if not self.pre else "\n")
            return False
        if node.attributes and self._is_furniture(node):
            return False
        if tag in _BLOCKS:
            self._open(tag, node)
        elif tag == "a":
            self.linked += 1
        elif tag in ("sup", "sub") and not self.pre:
            self.inline.append("^" if tag == "sup" and self._after_number() else "")
        return True

    def _after_number(self) -> bool:
        return bool(self.inline) and self.inline[-1][-1:].isdigit()

    @staticmethod
    def _is_furniture(node) -> bool:
        attributes = node.attributes
        if "hidden" in attributes or (attributes.get("role") or "") in _ROLES:
            return True
        names = re.findall(r"\S+", f"{attributes.get('class') or ''} {attributes.get('id') or ''}".lower())
        return bool(names) and not _FURNITURE.isdisjoint(names) and node.tag not in ("body", "main", "article")

    def _open(self, tag: str, node) -> None:
        if tag in ("td", "th") and self.tables and not self.tables[-1].layout:
            self._flush()
            self.cell_depth += 1
            self.inline = []
            return
        if tag == "tr" and self.tables and not self.tables[-1].layout:
            self.inline = []
            self.tables[-1].rows.append([])
            return
        if self._in_cell() and tag not in ("table", *_HEADINGS):
            self.inline.append(" ")
            self.pre += tag == "pre"
            return
        if tag == "table" or tag in _HEADINGS:
            self._lay_out()
        self._flush()
        if tag == "table":
            self.tables.append(_Table())
        elif tag == "pre":
            self.pre += 1
        elif tag in _HEADINGS:
            self.heading = _HEADINGS[tag]
        elif tag in ("ul", "ol"):
            start = node.attributes.get("start") or "1"
            self.lists.append((int(start) if start.isdigit() and len(start) < 7 else 1) if tag == "ol" else None)
        elif tag == "li":
            number = self.lists[-1] if self.lists else None
            self.mark = "  " * min(max(len(self.lists) - 1, 0), 5) + ("- " if number is None else f"{number}. ")
            if number is not None:
                self.lists[-1] = number + 1

    def _in_cell(self) -> bool:
        return bool(self.tables) and not self.tables[-1].layout and self.cell_depth > 0

    def _lay_out(self) -> None:
        """A table that holds headings or tables only places things: read its cells as parts of the page."""
        if not self.tables or self.tables[-1].layout:
            return
        table = self.tables[-1]
        table.layout = True
        for row in table.rows:
            for cell in row:
                self._put(cell)
        table.rows = []
        self.cell_depth = 0

    def _leave(self, tag: str) -> None:
        if tag not in _BLOCKS:
            self.linked -= tag == "a"
            return
        if tag in ("td", "th") and self._in_cell():
            self.tables[-1].rows or self.tables[-1].rows.append([])
            self.tables[-1].rows[-1].append(self._text().replace("\n", " "))
            self.cell_depth = max(0, self.cell_depth - 1)
            return
        if tag == "table":
            if self.tables:
                self._close_table(self.tables.pop())
            return
        if self._in_cell() and tag not in _HEADINGS:
            self.inline.append(" ")
            self.pre = max(0, self.pre - (tag == "pre"))
            return
        if self.tables and not self.tables[-1].layout and tag in ("tr", "tbody", "thead", "tfoot"):
            return
        self._flush()
        if tag == "pre":
            self.pre = max(0, self.pre - 1)
        elif tag in _HEADINGS:
            self.heading = 0
        elif tag in ("ul", "ol"):
            if self.lists:
                self.lists.pop()
        elif tag == "li":
            self.mark = ""

    def _close_table(self, table: _Table) -> None:
        self._flush()
        rows = [row for row in table.rows if any(row)]
        if not rows:
            return
        if all(sum(map(bool, row)) == 1 for row in rows):  # a frame around text, such as a note with an icon
            self._put("\n".join("".join(row) for row in rows))
        else:
            self._put("\n".join(" | ".join(row) for row in rows))

    def _text(self) -> str:
        """Take the inline text read so far, with white space as a browser would show it."""
        raw, self.inline = "".join(self.inline), []
        lines = [self._flow(line) for line in raw.split("\x00")]
        return "\n".join(line for line in lines if line)

    @staticmethod
    def _flow(line: str) -> str:
        def space(match: re.Match[str]) -> str:
            if "\n" not in match[0]:
                return " "
            start, end = match.span()
            return " " if start > 0 and end < len(line) and needs_space(line[start - 1], line[end]) else ""

        return _SPACE.sub(space, line).strip()

    def _flush(self) -> None:
        if not self.inline:
            return
        if self.pre:
            code = "".join(self.inline).replace("\x00", "\n").strip("\n").rstrip()
            self.inline = []
            if code.strip():
                self._put(f"```\n{code}\n```")
            return
        text, only_links, self.unlinked = self._text(), not self.unlinked, False
        if not text:
            return
        if self.mark:
            self.items.append(self.mark + text)
            self.items_link &= only_links
            self.mark = ""
            return
        self._put(text.replace("\n", " ") if self.heading else text, self.heading, only_links)

    def _put(self, text: str, level: int = 0, only_links: bool = False) -> None:
        """Add a block behind the list that was being read, if any."""
        if self.items:
            items, links = "\n".join(self.items), self.items_link
            self.items, self.items_link = [], True
            self._put(items, 0, links)
        if not text:
            return
        if level:
            self.headed = True
        elif only_links and not self.headed:
            self.leading_links.append(len(self.out))
        self.out.append(Block(text, level))
