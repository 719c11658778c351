"""The coverage map as a picture: a heat map of topic x task type for each difficulty."""

import io
import math
from typing import Any

from sftmill.steps.curate.coverage.coverage import CellMap, CoverageMap

FONTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei", "WenQuanYi Zen Hei",
    "DejaVu Sans", "sans-serif",
)  # fmt: skip
"""The browser takes the first of these that it has; the picture holds the texts as texts."""
MOST_TOPICS, MOST_TASKS = 40, 16
"""Rows and columns that are drawn, those asked about most."""
MOST_ACROSS = 16
"""Columns of cells beside each other; further difficulties stand below."""
WORDS = {
    "zh": {
        "bar": "题库相对需求（1 = 份额相同）",
        "title": "每格：题库中的数量 / 按需求应有的数量；粗框为缺口，虚框为可能的缺口",
    },
    "en": {
        "bar": "pool against demand (1 = the same share)",
        "title": "Each cell: instructions there are / due by the demand; a thick frame is a hole, a dashed one may be",
    },
}  # fmt: skip


def coverage_figure(found: CoverageMap, lang: str = "zh") -> bytes:
    """Return the map as SVG: a panel for each difficulty, a row for each topic, a column for each task type.

    Colours run from orange (nothing of what is due) over white (as much as is due) to blue (four times as much);
    the numbers stand in the cells, so that the picture can be read without them. Cells of several forms are put together.
    The same map gives the same bytes. Characters are drawn by the browser, in the fonts that it has.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
    from matplotlib.figure import Figure

    words = WORDS["en" if lang == "en" else "zh"]
    topics, tasks = _chosen(found, "topic", MOST_TOPICS), _chosen(found, "task_type", MOST_TASKS)
    levels = found.grid.difficulties
    colours = LinearSegmentedColormap.from_list("due", ["#c2410c", "#fee8d2", "#ffffff", "#c6dbef", "#2b6cb0"])
    norm = TwoSlopeNorm(vmin=-1, vcenter=0, vmax=1)
    style = {"svg.fonttype": "none", "svg.hashsalt": "sftmill", "font.family": list(FONTS), "font.size": 9}
    with rc_context(style), _quiet():
        across = max(1, min(len(levels), MOST_ACROSS // max(1, len(tasks))))
        down = -(-len(levels) // across)
        panel = max(2.4, 0.78 * len(tasks))
        label = 0.15 * max(map(_width, topics), default=1) + 0.3
        slanted = max(map(_width, tasks), default=1) > 8
        below = 0.3 + (0.065 * max(map(_width, tasks), default=1) if slanted else 0.0)
        high = 0.34 * len(topics)
        wide, tall = max(label + panel * across + 0.9, 7.5), 0.5 + down * (high + below + 0.4)
        figure = Figure(figsize=(wide, tall))
        for number, level in enumerate(levels):
            row, column = divmod(number, across)
            bottom = tall - 0.5 - (row + 1) * (high + 0.4) - row * below
            box = (label + column * panel) / wide, bottom / tall, (panel - 0.15) / wide, high / tall
            axes = figure.add_axes(box)
            _panel(axes, found, topics, tasks, level, colours, norm)
            axes.set_yticks(range(len(topics)), topics if not column else [""] * len(topics))
            turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
            axes.set_xticks(range(len(tasks)), tasks, **turned)
        bar_box = ((label + across * panel + 0.05) / wide, (tall - 0.9 - high) / tall, 0.12 / wide, high / tall)
        _bar(figure, bar_box, colours, norm, words["bar"])
        figure.text(0.1 / wide, 1 - 0.3 / tall, words["title"], fontsize=9, color="#444444")
        stream = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _panel(
    axes: Any, found: CoverageMap, topics: list[str], tasks: list[str], level: str, colours: Any, norm: Any
) -> None:
    """Draw the cells of one difficulty."""
    from matplotlib.patches import Rectangle

    groups: dict[tuple[str, str], list[CellMap]] = {}
    for one in found.cells:
        if one.cell.difficulty == level:
            groups.setdefault((one.cell.topic, one.cell.task_type), []).append(one)
    for y, topic in enumerate(topics):
        for x, task in enumerate(tasks):
            group = groups[topic, task]
            supply, due = sum(one.supply for one in group), math.fsum(one.due for one in group)
            asked = any(one.demand for one in group)
            colour = colours(norm(_shade(supply, due))) if asked else "#f2f2f2"
            axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, edgecolor="none"))
            verdicts = {one.verdict for one in group}
            if verdicts & {"hole", "possible"}:
                hole = "hole" in verdicts
                axes.add_patch(
                    Rectangle(
                        (x - 0.46, y - 0.43), 0.92, 0.86, fill=False, edgecolor="#7a1f00" if hole else "#111111",
                        linewidth=1.8 if hole else 0.9, linestyle="-" if hole else (0, (3, 2)),
                    )
                )  # fmt: skip
            text = f"{supply:,}/{due:,.0f}" if asked else f"{supply:,}" if supply else ""
            dark = asked and abs(_shade(supply, due)) > 0.85
            axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color="white" if dark else "#222222")
    axes.set_xlim(-0.5, len(tasks) - 0.5)
    axes.set_ylim(len(topics) - 0.5, -0.5)
    axes.set_title(level, fontsize=10)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _bar(figure: Any, box: tuple[float, ...], colours: Any, norm: Any, title: str) -> None:
    from matplotlib.cm import ScalarMappable

    axes = figure.add_axes(box)
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes)
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["0", "1/2", "1", "2", "4"])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7)
    bar.set_label(title, fontsize=7)


def _shade(supply: int, due: float) -> float:
    """Return -1 for nothing of what is due, -0.5 for half of it, 0 for all of it, 0.5 for twice and 1 for four times as much."""
    if not due:
        return 0.0
    share = supply / due
    return share - 1 if share < 1 else min(1.0, math.log2(share) / 2)


def _chosen(found: CoverageMap, axis: str, most: int) -> list[str]:
    """Return the names of an axis in the order of the grid; of too many, those with the most demand."""
    margins = [one for one in found.margins if one.axis == axis]
    kept = {one.name for one in sorted(margins, key=lambda one: (-one.demand, -one.supply))[:most]}
    return [one.name for one in margins if one.name in kept]


def _width(text: str) -> int:
    """Return the width of a text in halves of a Chinese character."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)


def _quiet() -> Any:
    """Return a context without the warnings that fonts are missing here: the browser has them, or others."""
    import logging
    import warnings
    from contextlib import ExitStack

    class Hush(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return "findfont" not in record.getMessage()

    stack = ExitStack()
    stack.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
    logger, hush = logging.getLogger("matplotlib.font_manager"), Hush()
    logger.addFilter(hush)
    stack.callback(logger.removeFilter, hush)
    return stack
