"""What people say about the sources, in sources.xlsx or sources.csv: licence, sensitivity, and from when to when."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sftmill.columns import SENSITIVITIES
from sftmill.core import Drop
from sftmill.steps.ingest.decoding import clean, decode
from sftmill.steps.ingest.parse_table import csv_rows, read_cells
from sftmill.text.lazy import lazy_pattern

NAMES = ("sources.xlsx", "sources.csv")
"""Names under which the table is found in the folder."""

_COLUMNS = {
    "file": "file files path source document 文件 文件名 文件名称 来源 路径",
    "licence": "licence license 许可 许可证 授权 版权",
    "sensitivity": "sensitivity 敏感级别 敏感度 密级 保密级别",
    "effective": "effective from 生效日期 生效 施行日期 实施日期 起始日期",
    "expires": "expires expiry until 失效日期 失效 截止日期 到期日期 废止日期",
    "supersedes": "supersedes replaces 取代 替代 代替 废止",
}
_COLUMN_OF = {name: column for column, names in _COLUMNS.items() for name in re.findall(r"\S+", names)}
_LEVELS = {"公开": "public", "内部": "internal", "秘密": "secret", "机密": "secret", "绝密": "secret", "保密": "secret"}
_DAY = lazy_pattern(
    r"(\d{4})\s?(?:[-/.]|年)\s?(\d{1,2})\s?(?:[-/.]|月)\s?(\d{1,2})\s?日?(?:[T\s]\d{1,2}:\d{2}(?::\d{2})?)?\Z"
)
_COMPACT = lazy_pattern(r"(\d{4})(\d{2})(\d{2})\Z")
_SERIAL = lazy_pattern(r"[2-7]\d{4}\Z")
_EXCEL_EPOCH = date(1899, 12, 30)
"""Day 0 of Excel's serial numbers from March 1900 on (the year 1900 is a leap year there)."""


class Entry(NamedTuple):
    """A line of the table."""

    row: int
    """Number of the line in the sheet, from 1."""
    file: str
    licence: str | None
    sensitivity: str | None
    effective: date | None
    expires: date | None
    supersedes: tuple[str, ...]

    def facts(self) -> dict[str, str]:
        """Return the columns that the line gives to its files' rows."""
        days = {"effective": self.effective, "expires": self.expires}
        found = {name: day.isoformat() for name, day in days.items() if day}
        return found | ({"licence": self.licence} if self.licence else {})


class Judged(NamedTuple):
    """What the table says about the files of a folder."""

    entries: dict[str, Entry]
    """The line that holds for each file that has one."""
    superseded: dict[str, list[str]]
    """File -> the files that take its place."""
    problems: list[str]


def find_table(folder: Path) -> Path | None:
    """Return the table of a folder, None where it has none."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def judge(path: Path, files: Sequence[str], others: Sequence[str] = ()) -> Judged:
    """Read the table and apply it to the files of its folder (paths below it, "/" between the parts).

    A line names a file, a folder, an archive, or a pattern with * and ?; the most exact line holds. `others`
    are files that are there but not read: lines may name them. Everything wrong is told, with the row.
    """
    entries, problems = _read(path)
    found: dict[str, tuple[int, Entry]] = {}
    everything = list(dict.fromkeys([*files, *others]))
    read = set(files)
    named: dict[str, int] = {}
    for entry in entries:
        where = f"{path.name} row {entry.row}"
        key = _plain(entry.file)
        if key in named:
            problems.append(f"{where}: {entry.file!r} has a line already, row {named[key]}; keep one")
            continue
        named[key] = entry.row
        exact, matched = _matching(entry.file, everything)
        if not matched:
            problems.append(f"{where}: no file {entry.file!r} in the folder; correct the name or remove the line")
        for file in matched:
            rank, before = found.get(file, (-1, entry))
            if rank == exact and before._replace(row=0, file="") != entry._replace(row=0, file=""):
                problems.append(
                    f"{where}: {file!r} is meant by row {before.row}, too, which says otherwise; name it in one line"
                )
            if exact > rank:
                found[file] = (exact, entry)
    chosen = {file: entry for file, (_, entry) in found.items() if file in read}
    superseded = _superseded(path, chosen, everything, problems)
    return Judged(chosen, superseded, problems)


def _superseded(
    path: Path, chosen: Mapping[str, Entry], everything: Sequence[str], problems: list[str]
) -> dict[str, list[str]]:
    replaced: dict[str, list[str]] = {}
    told: set[tuple[int, str]] = set()
    for file, entry in chosen.items():
        for name in entry.supersedes:
            _, old = _matching(name, everything)
            if not old and (entry.row, name) not in told:
                told.add((entry.row, name))
                problems.append(
                    f"{path.name} row {entry.row}: supersedes {name!r}, which is not in the folder; correct or empty it"
                )
            for gone in old:
                if gone != file:
                    replaced.setdefault(gone, []).append(file)
                elif (entry.row, name) not in told and len(old) == 1:
                    told.add((entry.row, name))
                    problems.append(f"{path.name} row {entry.row}: {file!r} supersedes itself; empty the cell")
    for file in sorted(replaced):
        for other in replaced[file]:
            if file < other and file in replaced.get(other, ()):
                problems.append(f"{path.name}: {file!r} and {other!r} supersede each other; keep one of the two")
    return replaced


def left_out(judged: Judged, file: str, day: date) -> tuple[str, dict[str, str]] | None:
    """Return (reason, facts) of a file that does not hold on a day, None where it does.

    "expired", "not_yet_effective", or "superseded": only by a file that is there and holds on that day.
    """
    entry = judged.entries.get(file)
    if entry and entry.expires and entry.expires < day:
        return "expired", {"expires": entry.expires.isoformat()}
    if entry and entry.effective and entry.effective > day:
        return "not_yet_effective", {"effective": entry.effective.isoformat()}
    for other in judged.superseded.get(file, ()):
        newer = judged.entries[other]
        if not (newer.expires and newer.expires < day) and not (newer.effective and newer.effective > day):
            return "superseded", {"by": other}
    return None


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").rstrip("/")


def _matching(name: str, files: Sequence[str]) -> tuple[int, list[str]]:
    """Return how exact a name is (3 a path, 2 a bare name, 1 a folder, 0 a pattern) and the files that it means."""
    wanted = _plain(name)
    if wanted in files:
        return 3, [wanted]
    if inside := [file for file in files if file.startswith(f"{wanted}/")]:
        return 1, inside
    if "/" not in wanted and len(same := [file for file in files if file.rpartition("/")[2] == wanted]) == 1:
        return 2, same
    if "*" in wanted or "?" in wanted:
        pattern = compile_pattern(wanted)
        return 0, [file for file in files if pattern.fullmatch(file)]
    return 0, []


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a pattern for paths as a regular expression: * and ? within a part, **/ for any number of folders."""
    parts = re.split(r"((?:\*\*/)+|\*+|\?)", pattern)
    meaning = {"*": "[^/]*", "?": "[^/]"}
    signs = {"/": "(?:.*/)?", "*": ".*"}
    out = [meaning.get(part) or (signs[part[-1]] if part.startswith("**") else re.escape(part)) for part in parts]
    return re.compile("".join(out), re.I | re.S)


def _read(path: Path) -> tuple[list[Entry], list[str]]:
    """Return the lines of the table and what is wrong with it."""
    try:
        rows, first = _rows(path)
    except OSError as error:
        return [], [f"source_table: {path.name} cannot be read ({error.strerror}); check the path in the recipe"]
    except Drop as drop:
        return [], [f"source_table: {path.name} cannot be read: {drop.facts.get('why', drop.reason)}"]
    head = next((n for n, row in enumerate(rows[:10]) if any(_column(cell) == "file" for cell in row)), None)
    if head is None:
        return [], [
            f"{path.name}: no column named `file` (文件); name the columns file, licence, sensitivity, effective, "
            "expires, supersedes"
        ]
    problems: list[str] = []
    columns: dict[str, int] = {}
    for number, cell in enumerate(rows[head]):
        name = _column(cell)
        if name in columns:
            problems.append(f"{path.name} row {head + first}: two columns for {name}; keep one")
        elif name:
            columns[name] = number
        elif cell and _is_near(cell):
            problems.append(
                f"{path.name} row {head + first}: unknown column {cell!r}; did you mean {_is_near(cell)!r}?"
            )
    entries = []
    for number, row in enumerate(rows[head + 1 :], head + 1 + first):
        cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
        if cells["file"]:
            entries.append(_entry(cells, number, path.name, problems))
        elif any(cells.values()):
            problems.append(f"{path.name} row {number}: no file is named; fill in the cell or remove the line")
    return entries, problems


def _rows(path: Path) -> tuple[list[list[str]], int]:
    """Return the table's cells and the number of the first row."""
    data = path.read_bytes()
    if path.suffix.lower() in (".csv", ".tsv"):
        return csv_rows(clean(decode(data).text), path.suffix.lower()), 1
    sheets = read_cells(data)
    return next(((sheet.rows, sheet.first_row) for sheet in sheets if any(map(any, sheet.rows))), ([], 1))


def _column(cell: str) -> str | None:
    return _COLUMN_OF.get(re.sub(r"[\s:：*（(].*\Z", "", cell.strip().lower()))


def _is_near(cell: str) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(cell.strip().lower(), _COLUMN_OF, 1, 0.75)
    return found[0] if found else None


def _entry(cells: Mapping[str, str], row: int, name: str, problems: list[str]) -> Entry:
    days: dict[str, date | None] = {}
    for column in ("effective", "expires"):
        text = cells.get(column, "")
        days[column] = read_day(text)
        if text and days[column] is None:
            problems.append(f"{name} row {row}: {column} {text!r} is no day; write it like 2024-03-01")
    if days["effective"] and days["expires"] and days["expires"] < days["effective"]:
        problems.append(f"{name} row {row}: it expires on {days['expires']}, before it is effective; correct a day")
    word = cells.get("sensitivity", "").lower()
    level = _LEVELS.get(word, word) or None
    if level and level not in SENSITIVITIES:
        problems.append(f"{name} row {row}: unknown sensitivity {word!r}; use {', '.join(SENSITIVITIES)}")
        level = SENSITIVITIES[-1]
    old = tuple(filter(None, (part.strip() for part in re.split(r"[;；、\n]", cells.get("supersedes", "")))))
    return Entry(row, cells["file"], cells.get("licence") or None, level, days["effective"], days["expires"], old)


def read_day(text: str) -> date | None:
    """Read a day: 2024-03-01, 2024/3/1, 2024.3.1, 20240301, 2024年3月1日, or Excel's number of it; None for others."""
    text = text.strip()
    try:
        if match := _DAY.match(text) or _COMPACT.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
    return _EXCEL_EPOCH + timedelta(days=int(text)) if _SERIAL.match(text) else None
