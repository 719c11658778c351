"""The plots of a report, as SVG that takes its colours from the page's style and asks nothing from elsewhere."""

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sftmill.report.facts import Stage
from sftmill.report.generators import Generator

WIDTH = 4.4
"""Inches; at 72 points an inch about the width of a phone, so that letters are not made smaller there."""
LONGEST_LABEL = 22
"""Characters of a name beside a bar."""
MOST_TICKS = 12

# Each colour stands for one of the page's style, which knows light and dark; matplotlib must only tell them apart.
COLOURS = {
    "ink": "#010203",
    "soft": "#010204",
    "line": "#010205",
    "good": "#010206",
    "twin": "#010207",
    "drop": "#010208",
    "fail": "#010209",
}
_FONTS = ["Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", "DejaVu Sans"]  # fmt: skip
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sftmill",
    "font.size": 8,
    "text.parse_math": False,
    "axes.unicode_minus": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlepad": 8,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.1,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}
_HEAD = re.compile(r"^.*?(?=<svg )", re.S)
_UNWANTED = re.compile(r"\s*<metadata>.*?</metadata>|\s*<defs>\s*<style .*?</style>\s*</defs>", re.S)
_SIZE = re.compile(r'(<svg [^>]*?)\s+width="[^"]*"', re.S)
_TALL = re.compile(r'(<svg [^>]*?)\s+height="[^"]*"', re.S)
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]")


def clean(text: str) -> str:
    """Return a text without what a page cannot hold or what would turn it around: control and direction marks."""
    return _INVISIBLE.sub(" ", text)


def funnel(stages: Sequence[Stage], words: Mapping[str, Any], name: str) -> str:
    """Return the bars of a stream's stages: what each handed on, dropped and failed on."""
    with _drawing(WIDTH, 0.78 + 0.27 * len(stages)) as (figure, axes, done):
        places = range(len(stages))
        start = [0] * len(stages)
        for key, colour, values in (
            ("out", "good", [stage.out for stage in stages]),
            ("dropped", "drop", [stage.lost for stage in stages]),
            ("failed", "fail", [stage.failed for stage in stages]),
        ):
            axes.barh(places, values, left=start, height=0.68, color=COLOURS[colour], label=words[key])
            start = [a + b for a, b in zip(start, values, strict=True)]
        for place, stage in enumerate(stages):
            axes.annotate(
                f"{stage.out:,}", (start[place], place), (4, 0), textcoords="offset points", va="center",
                color=COLOURS["ink"], fontsize=7.5,
            )  # fmt: skip
        axes.set_yticks(places, [_short(stage.key) for stage in stages])
        axes.set_ylim(len(stages) - 0.4, -0.6)
        axes.set_xlim(0, 1.14 * max(1, *start))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        _counted(axes.xaxis)
        axes.set_xlabel(words["rows"])
        figure.legend(loc="outside upper left", ncols=3)
    return done(name, words["alt_funnel"].format(stream=clean(stages[0].stream)))


def yield_by_round(made: Generator, words: Mapping[str, Any], name: str) -> str:
    """Return stacked bars: what became of each round's candidates."""
    labels = [one.label for one in made.yields]
    with _drawing(WIDTH, 2.5) as (figure, axes, done):
        start = [0] * len(labels)
        for key, colour, values in (
            ("admitted", "good", [one.admitted for one in made.yields]),
            ("duplicates", "twin", [one.duplicates for one in made.yields]),
            ("other_drops", "drop", [one.others for one in made.yields]),
            ("failed", "fail", [one.failed for one in made.yields]),
        ):
            axes.bar(range(len(labels)), values, bottom=start, width=0.7, color=COLOURS[colour], label=words[key])
            start = [a + b for a, b in zip(start, values, strict=True)]
        axes.set_ylim(0, 1.05 * max(1, *start))
        _ticks(axes, labels)
        _counted(axes.yaxis)
        axes.set_xlabel(words["round"])
        axes.set_ylabel(words["rows"])
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=4)
    return done(name, words["alt_yield"])


def tokens_by_round(made: Generator, words: Mapping[str, Any], name: str) -> str:
    """Return a line: tokens for each instruction admitted, by round; empty where no model was asked."""
    if not any(one.tokens_each for one in made.yields):
        return ""
    with _drawing(WIDTH, 2.2) as (_, axes, done):
        values = [one.tokens_each if one.tokens_each is not None else float("nan") for one in made.yields]
        axes.plot(range(len(values)), values, color=COLOURS["good"], marker="o")
        axes.set_ylim(0, 1.12 * max(value for value in values if value == value))
        axes.set_xlim(-0.5, len(values) - 0.5)
        _ticks(axes, [one.label for one in made.yields])
        _counted(axes.yaxis)
        axes.set_title(words["tokens_each"])
        axes.set_xlabel(words["round"])
        axes.set_ylabel(words["tokens"])
        axes.grid(axis="y")
    return done(name, words["tokens_each"])


def pairs_so_far(made: Generator, words: Mapping[str, Any], name: str) -> str:
    """Return a line: different pairs of verb and noun, up to each group, with as many as there could be."""
    labels = [variety.label for variety in made.varieties]
    with _drawing(WIDTH, 2.3) as (figure, axes, done):
        read, most = 0, []
        for variety in made.varieties:
            read += variety.read
            most.append(read)
        places = range(len(labels))
        top = max(variety.pairs for variety in made.varieties)
        if most[-1] <= 4 * top:  # else the line of interest would lie on the ground
            top, dashes = most[-1], (0, (3, 2))
            axes.plot(places, most, color=COLOURS["soft"], linestyle=dashes, linewidth=1, label=words["read_rows"])
        axes.plot(
            places, [v.pairs for v in made.varieties], color=COLOURS["good"], marker="o", label=words["pairs_so_far"]
        )
        axes.set_ylim(0, 1.08 * max(1, top))
        axes.set_xlim(-0.5, len(labels) - 0.5)
        _ticks(axes, labels)
        _counted(axes.yaxis)
        axes.set_xlabel(words["round" if made.by_round else "part"])
        axes.set_ylabel(words["number"])
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=2)
    return done(name, words["pairs_so_far"])


def similarity(made: Generator, words: Mapping[str, Any], name: str) -> str:
    """Return two lines: mean and 90th percentile of the greatest similarity with earlier rows; empty without any."""
    if not made.compared:
        return ""
    labels = [variety.label for variety in made.varieties]
    with _drawing(WIDTH, 2.3) as (figure, axes, done):
        nothing = float("nan")
        for key, colour, values in (
            ("ninetieth", "twin", [v.ninetieth if v.similarity else nothing for v in made.varieties]),
            ("mean", "good", [v.mean if v.similarity else nothing for v in made.varieties]),
        ):
            axes.plot(range(len(labels)), values, color=COLOURS[colour], marker="o", label=words[key])
        axes.set_ylim(0, 1)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", "0.25", "0.5", "0.75", "1"))
        _ticks(axes, labels)
        axes.set_xlabel(words["round" if made.by_round else "part"])
        axes.set_ylabel("ROUGE-L")
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=2)
    return done(name, words["alt_similarity"])


def _short(text: str) -> str:
    text = clean(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _ticks(axes: Any, labels: Sequence[str]) -> None:
    """Name the groups below the axis, all or every second or third; long spans by their end."""
    if sum(map(len, labels)) > 60:
        labels = [label.rpartition("–")[2] for label in labels]
    every = -(-len(labels) // MOST_TICKS) if sum(map(len, labels)) <= 48 else -(-sum(map(len, labels)) // 48)
    places = range(0, len(labels), every)
    axes.set_xticks(places, [labels[place] for place in places])


def _counted(axis: Any) -> None:
    """Let an axis show a few whole numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


Done = Callable[[str, str], str]


@contextmanager
def _drawing(width: float, height: float) -> Iterator[tuple[Any, Any, Done]]:
    """Hand out a figure, its axes and what turns them into SVG once drawn; leaves no trace in matplotlib."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    log = logging.getLogger("matplotlib.font_manager")
    level, text = log.level, io.StringIO()
    log.setLevel(logging.CRITICAL)  # a font of the list that is not here is no news: the reader's browser chooses
    try:
        with rc_context(_STYLE | {"font.family": _FONTS}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = Figure((width, height), layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.add_subplot()
            axes.set_axisbelow(True)
            yield figure, axes, lambda name, title: _inline(text.getvalue(), name, title)
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    finally:
        log.setLevel(level)


def _inline(svg: str, name: str, title: str) -> str:
    """Return an SVG for the midst of a page: without prologue, with names of its own and the page's colours."""
    from html import escape

    svg = _TALL.sub(r"\1", _SIZE.sub(r"\1", _UNWANTED.sub("", _HEAD.sub("", svg)), count=1), count=1)
    svg = _ID.sub(lambda match: f"{match[1]}{name}-", svg)
    for colour, value in COLOURS.items():
        svg = svg.replace(value, f"var(--{colour})")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(clean(title))}" ', 1)
    return svg.rstrip()
