"""PDF files made by hand, with Chinese and Latin text at given places, for tests."""

import math
from collections.abc import Sequence

WIDE, HIGH = 595, 842


class TinyPage:
    """A page: text at (x, y) in a size, filled boxes, and pictures that cover it."""

    def __init__(self, rotate: int = 0, turn: float = 0):
        self.texts: list[tuple[float, float, float, str]] = []
        self.boxes: list[tuple[float, float, float, float]] = []
        self.picture = False
        self.rotate = rotate
        """How the page is shown: 0, 90, 180 or 270 degrees clockwise."""
        self.turn = turn
        """Degrees by which the text itself is turned, counter-clockwise, about the page's middle."""

    def text(self, x: float, y: float, text: str, size: float = 10) -> "TinyPage":
        """Write a line whose baseline begins at (x, y)."""
        self.texts.append((x, y, size, text))
        return self

    def lines(self, x: float, y: float, lines: Sequence[str], size: float = 10, pitch: float = 14) -> "TinyPage":
        """Write lines one below the other."""
        for number, line in enumerate(lines):
            self.text(x, y - number * pitch, line, size)
        return self

    def grid(self, xs: Sequence[float], ys: Sequence[float]) -> "TinyPage":
        """Draw the rules of a table."""
        self.boxes += [(x - 0.3, min(ys), 0.6, max(ys) - min(ys)) for x in xs]
        self.boxes += [(min(xs), y - 0.3, max(xs) - min(xs), 0.6) for y in ys]
        return self


def width(text: str, size: float = 10) -> float:
    """Return how wide a text is: half an em a Latin letter, one em any other."""
    return sum(0.5 if c.isascii() else 1.0 for c in text) * size


def tiny_pdf(
    pages: Sequence[TinyPage],
    outline: Sequence[tuple[str, int, float]] = (),
    title: str = "",
    mapped: bool = True,
) -> bytes:
    """Return the bytes of a PDF; `outline` has (title, page from 0, y); without `mapped` no letter has a meaning."""
    letters = sorted({c for page in pages for *_, text in page.texts for c in text})
    code = {c: number for number, c in enumerate(letters, 1)}
    objects: list[bytes] = []

    def add(body: str | bytes) -> int:
        objects.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(objects)

    def stream(data: bytes, entries: str = "") -> int:
        return add(f"<< {entries} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream")

    catalogue, tree = add(""), add("")
    maps = "\n".join(f"<{n:04x}> <{c.encode('utf-16-be').hex()}>" for c, n in code.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /T def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
        f"{len(code)} beginbfchar\n{maps}\nendbfchar\nendcmap\nend\nend\n"
    )
    meaning = f"/ToUnicode {stream(cmap.encode())} 0 R" if mapped else ""
    widths = " ".join(f"{n} [{500 if c.isascii() else 1000}]" for c, n in code.items())
    descriptor = add(
        "<< /Type /FontDescriptor /FontName /Tiny /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 880 "
        "/Descent -120 /CapHeight 700 /StemV 80 >>"
    )
    inner = add(
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Tiny /CIDSystemInfo << /Registry (Adobe) "
        f"/Ordering (Identity) /Supplement 0 >> /FontDescriptor {descriptor} 0 R /DW 1000 /W [{widths}] "
        "/CIDToGIDMap /Identity >>"
    )
    font = add(
        "<< /Type /Font /Subtype /Type0 /BaseFont /Tiny /Encoding /Identity-H "
        f"/DescendantFonts [{inner} 0 R] {meaning} >>"
    )
    picture = stream(
        b"\x80", "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    )
    names = []
    for page in pages:
        parts = [f"q {WIDE} 0 0 {HIGH} 0 0 cm /I Do Q"] if page.picture else []
        parts += [f"{x} {y} {w} {h} re f" for x, y, w, h in page.boxes]
        for x, y, size, text in page.texts:
            shown = "".join(f"{code[c]:04x}" for c in text)
            a, b = math.cos(math.radians(page.turn)), math.sin(math.radians(page.turn))
            along, up = (x - WIDE / 2, y - HIGH / 2) if page.turn else (x, y)
            left, low = (WIDE / 2, HIGH / 2) if page.turn else (0, 0)
            place = f"{a:.5f} {b:.5f} {-b:.5f} {a:.5f} {left + a * along - b * up:.3f} {low + b * along + a * up:.3f}"
            parts.append(f"BT /F {size} Tf {place} Tm <{shown}> Tj ET")
        content = stream("\n".join(parts).encode())
        names.append(
            add(
                f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 {WIDE} {HIGH}] /Rotate {page.rotate} /Resources "
                f"<< /Font << /F {font} 0 R >> /XObject << /I {picture} 0 R >> >> /Contents {content} 0 R >>"
            )
        )
    marks = ""
    if outline:
        root = add("")
        first = len(objects) + 1
        for number, (name, page, y) in enumerate(outline):
            nearby = f"/Prev {first + number - 1} 0 R " if number else ""
            nearby += f"/Next {first + number + 1} 0 R" if number + 1 < len(outline) else ""
            add(f"<< /Title <{_string(name)}> /Parent {root} 0 R {nearby} /Dest [{names[page]} 0 R /XYZ 0 {y} 0] >>")
        objects[root - 1] = (
            f"<< /Type /Outlines /First {first} 0 R /Last {len(objects)} 0 R /Count {len(outline)} >>".encode()
        )
        marks = f"/Outlines {root} 0 R"
    info = add(f"<< /Title <{_string(title)}> >>")
    objects[catalogue - 1] = f"<< /Type /Catalog /Pages {tree} 0 R {marks} >>".encode()
    kids = " ".join(f"{name} 0 R" for name in names)
    objects[tree - 1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(names)} >>".encode()
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root {catalogue} 0 R /Info {info} 0 R >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def _string(text: str) -> str:
    return (b"\xfe\xff" + text.encode("utf-16-be")).hex()
