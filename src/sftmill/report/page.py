"""A report as one page of HTML: nothing in it is loaded from elsewhere, and no text of others is taken for markup."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sftmill.report import plots
from sftmill.report.choices import MOST_LENGTH, MOST_WEAK, Choice, Win
from sftmill.report.facts import Facts, Role, Stage
from sftmill.report.generators import COMPARED, FEWEST, Generator
from sftmill.report.plots import clean
from sftmill.report.words import WORDS

LISTED_REASONS = 40
"""Reasons for dropping that are listed, the most frequent ones."""
NONE = "–"
"""What stands where there is no number."""

Words = Mapping[str, Any]


class Line(NamedTuple):
    """A line of a table."""

    cells: list[str]
    kind: str = ""
    """Class that marks it: sum or alarm."""
    bar: float | None = None
    """Length of a bar behind it, percent."""
    stage: str = ""


class Card(NamedTuple):
    """A fact that stands out."""

    name: str
    value: str
    more: str = ""


def render(facts: Facts, made: Iterable[Generator], chosen: Iterable[Choice] = ()) -> str:
    """Return the page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    words = WORDS[facts.lang]
    here = Path(__file__).parent
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_clean, keep_trailing_newline=True)
    template = environment.from_string((here / "report.html.jinja").read_text("utf-8"))
    name = str(facts.manifest.get("name", ""))
    limit = facts.manifest.get("limit")
    reasons = facts.reasons()
    return template.render(
        words=words,
        style=Markup((here / "report.css").read_text("utf-8")),  # our own
        title=words["title"].format(name=name),
        trial=words["trial"].format(limit=f"{limit:,}") if limit else "",
        facts=_run(facts, words),
        warnings=[str(warning) for warning in facts.manifest.get("warnings", ())],
        steps=len(facts.stages),
        vanished=sum(1 for stage in facts.stages if stage.vanished),
        streams=[
            {
                "name": stream,
                "plot": Markup(plots.funnel(stages, words, f"f{number}")),
                "rows": [_stage(stage, words) for stage in stages],
            }
            for number, (stream, stages) in enumerate(facts.streams.items())
        ],
        drops=_drops(facts, reasons[:LISTED_REASONS]),
        more_drops=_more(reasons[LISTED_REASONS:], words),
        roles=_roles(facts, words),
        each=_each(facts, words),
        generators=[_generator(one, words, f"g{number}") for number, one in enumerate(made)],
        compared=COMPARED,
        choices=[_choice(one, words) for one in chosen],
    )


def _clean(value: Any) -> Any:
    """Take control marks out of every text on its way into the page; Markup is ours and stays as it is."""
    return clean(value) if type(value) is str else value


def _run(facts: Facts, words: Words) -> list[Card]:
    manifest = facts.manifest
    started, seconds = manifest.get("started"), manifest.get("seconds")
    money = _money(facts.money, facts) if facts.money else NONE
    told = {
        "samples": (f"{facts.samples:,}", ""),
        "started": (datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M") if started else NONE, ""),
        "seconds": (NONE if seconds is None else _clock(seconds), words["seconds"]),
        "tokens": (f"{sum(role.tokens for role in facts.roles):,}", ""),
        "cost": (money, "" if facts.money or not facts.roles else words["no_money"]),
        "failed": (f"{facts.failed:,}", ""),
        "version": (f"sftmill {manifest.get('sftmill', '')}", f"Python {manifest.get('python', '')}"),
    }
    return [Card(words["facts"][name], *value) for name, value in told.items()]


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _stage(stage: Stage, words: Words) -> Line:
    numbers = (stage.rows_in, stage.born, stage.out, stage.lost, stage.failed)
    cells = [stage.key, *(f"{number:,}" for number in numbers), f"{stage.tokens:,}" if stage.tokens else NONE]
    if stage.vanished:
        cells[0] += f" ({words['differs'].format(number=stage.vanished)})"
    return Line(cells, "alarm" if stage.vanished else "")


def _drops(facts: Facts, reasons: list[tuple[str, str, int]]) -> list[Line]:
    entered = {stage.name: stage.rows_in + stage.born for stage in facts.stages}
    most = max((number for _, _, number in reasons), default=1) or 1
    return [
        Line(
            [stage, reason, f"{number:,}", _share(number, entered[stage])],
            bar=round(100 * number / most, 1),
            stage=stage,
        )
        for stage, reason, number in reasons
    ]


def _more(reasons: list[tuple[str, str, int]], words: Words) -> str:
    number = sum(n for _, _, n in reasons)
    return words["drops_more"].format(kinds=len(reasons), number=f"{number:,}") if reasons else ""


def _roles(facts: Facts, words: Words) -> list[Line]:
    lines = [
        Line([role.name, role.model or words["unnamed"], role.revision or words["no_revision"], *_paid(role, facts)])
        for role in facts.roles
    ]
    rest = facts.money - sum(role.money for role in facts.roles)
    if rest > 0.005 * max(facts.money, 0.01):
        lines.append(Line([words["other_money"], "", "", *[""] * 5, _money(rest, facts)]))
    if len(lines) > 1:
        names = ("answers", "from_ledger", "prompt_tokens", "cached_tokens", "completion_tokens")
        total = Role(words["all"], "", "", **{n: sum(getattr(role, n) for role in facts.roles) for n in names})
        total.money = facts.money
        lines.append(Line([total.name, "", "", *_paid(total, facts)], "sum"))
    return lines


def _paid(role: Role, facts: Facts) -> list[str]:
    counted = (role.answers, role.from_ledger, role.prompt_tokens, role.cached_tokens, role.completion_tokens)
    return [*(f"{number:,}" for number in counted), _money(role.money, facts) if role.money else NONE]


def _each(facts: Facts, words: Words) -> str:
    tokens = sum(role.tokens for role in facts.roles)
    if not tokens or not facts.samples:
        return ""
    money = ""
    if facts.money:
        money = words["comma"] + _money(facts.money / facts.samples, facts)
    return words["each_sample"].format(tokens=f"{tokens / facts.samples:,.0f}", money=money)


def _generator(made: Generator, words: Words, name: str) -> dict[str, Any]:
    """Return what the template shows of a generator."""
    from markupsafe import Markup

    stage = made.stage
    read = bool(made.made)
    group = words["round" if made.by_round else "part"]
    return {
        "name": stage.name,
        "says": words["generator_made"].format(stage=stage.name, made=f"{made.made:,}") if read else words["none_made"],
        "facts": _about(made, words),
        "yields": [_yield(one) for one in made.yields] + ([_yield(made.total, words)] if len(made.yields) > 1 else []),
        "yield_plot": Markup(plots.yield_by_round(made, words, f"{name}y") if made.yields else ""),
        "tokens_plot": Markup(plots.tokens_by_round(made, words, f"{name}t") if made.yields else ""),
        "varieties": [
            Line(
                [
                    variety.label, f"{variety.rows:,}", f"{variety.pairs:,}", f"{variety.new_pairs:,}",
                    f"{variety.entropy:.2f}", f"{variety.distinct:.3f}", _decimal(variety.mean),
                    _decimal(variety.ninetieth),
                ]
            )
            for variety in made.varieties
            if read
        ],
        "variety_head": [text.format(group=group) for text in words["variety_head"]],
        "pairs_plot": Markup(plots.pairs_so_far(made, words, f"{name}p") if read else ""),
        "similarity_plot": Markup(plots.similarity(made, words, f"{name}s") if read else ""),
        "trend": _trend(made, words),
        "similarity_note": words["similarity_note"].format(earlier=f"{made.earlier:,}") if made.compared else "",
        "pairs": [Line([*pair, f"{number:,}", _share(number, made.read)]) for pair, number in made.pairs],
    }  # fmt: skip


def _about(made: Generator, words: Words) -> list[Card]:
    total = made.total
    counted = {"candidates": f"{total.candidates:,}", "admitted": f"{total.admitted:,}"}
    told = [Card(words["acceptance"], _share(total.admitted, total.candidates), words["accepted_of"].format(**counted))]
    for key, number in (("at_stream_end", made.stream_end), ("at_run_end", made.run_end)):
        if number is not None:
            told.append(Card(words[key], _share(number, made.made), words["reached"].format(number=f"{number:,}")))
    duplicates = {"here": f"{total.duplicates:,}", "later": f"{made.later_duplicates:,}"}
    pairs = made.varieties[-1].pairs if made.varieties else 0
    read = words["pairs_of"].format(read=f"{made.read:,}", without=f"{made.without_pair:,}")
    return [
        *told,
        Card(
            words["duplicates_all"],
            f"{total.duplicates + made.later_duplicates:,}",
            words["duplicates_where"].format(**duplicates),
        ),
        Card(words["tokens_each"], f"{total.tokens_each:,.0f}" if total.tokens_each else NONE),
        Card(words["pairs_all"], f"{pairs:,}", read if made.read else ""),
    ]


def _yield(one: Any, words: Words | None = None) -> Line:
    cells = [
        words["all"] if words else one.label, f"{one.drafts:,}", f"{one.failed:,}", f"{one.candidates:,}",
        f"{one.admitted:,}", _share(one.admitted, one.candidates), f"{one.duplicates:,}", f"{one.others:,}",
        f"{one.tokens:,}" if one.tokens else NONE, f"{one.tokens_each:,.0f}" if one.tokens_each else NONE,
    ]  # fmt: skip
    return Line(cells, "sum" if words else "")


def _trend(made: Generator, words: Words) -> str:
    """Say in words where the curve of similarity goes."""
    judged = [variety for variety in made.compared if len(variety.similarity) >= FEWEST]
    if len(judged) < 2:
        return words["too_few"].format(least=FEWEST)
    first, last = judged[0], judged[-1]
    said = words["trend"]["round" if made.by_round else "part"][made.trend]
    return said.format(first=first.label, last=last.label, a=first.mean, b=last.mean)


def _choice(made: Choice, words: Words) -> dict[str, Any]:
    """Return what the template shows of a step that chooses among answers."""
    alarms = []
    if made.weak and made.weak_wins_often:
        low, high = made.weak.interval
        sure = words["weak_sure" if low > MOST_WEAK else "weak_unsure"]
        told = {"share": _share(made.weak.wins, made.weak.of), "most": f"{MOST_WEAK:.0%}"}
        alarms.append(words["weak_alarm"].format(**told) + sure.format(low=f"{low:.0%}", high=f"{high:.0%}"))
    if made.ratio is not None and made.prefers_length:
        alarms.append(words["length_alarm"].format(ratio=f"{made.ratio:.2f}", most=f"{MOST_LENGTH:.2f}"))
    said = []
    if made.ratio is not None:
        said.append(words["length_said"].format(ratio=f"{made.ratio:.2f}", rows=f"{len(made.ratios):,}"))
    for one in made.held_out:
        told = {"judges": ", ".join(one.judges), "rows": f"{one.rows:,}", "score": f"{one.score:.2f}"}
        before = "" if one.chosen_at is None else words["held_out_before"].format(score=f"{one.chosen_at:.2f}")
        said.append(words["held_out"].format(**told) + before + words["stop"])
    alarm = "alarm" if made.weak_wins_often else ""
    return {
        "name": made.stage.name,
        "wins": [_win(one, words, alarm) for one in made.wins],
        "alarms": alarms,
        "says": said if made.wins or said else [words["no_winners"]],
    }


def _win(one: Win, words: Words, alarm: str) -> Line:
    low, high = one.interval
    name = words["win_names"].get(one.source, one.source) + (
        words["weaker"] if one.weak and one.source != "weak" else ""
    )
    return Line([name, f"{one.wins:,}", _share(one.wins, one.of), f"{low:.0%} – {high:.0%}"], alarm if one.weak else "")


def _money(sum_: float, facts: Facts) -> str:
    """Return a sum of money to three digits, never as a power of ten."""
    digits = max(0, 2 - math.floor(math.log10(sum_))) if sum_ > 0 else 0
    return f"{sum_:,.{max(2, digits)}f} {facts.currency}".strip()


def _share(number: int, of: int) -> str:
    if not of:
        return NONE
    percent = 100 * number / of
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.1f}%"


def _decimal(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
