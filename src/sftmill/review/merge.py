"""Verdicts into the labels file: newest wins, nothing is forgotten, and the same sheet twice changes nothing."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

from sftmill.core import Row
from sftmill.errors import SftmillError
from sftmill.flow.shards import write_atomically
from sftmill.review.agreement import kappa, wilson
from sftmill.review.export import samples_of
from sftmill.review.reading import Judgement, read_review
from sftmill.steps.curate.labels import Label, Said, Verdict, label_key, labels_text, read_labels

SAID: tuple[Said, ...] = ("accepted", "edited", "rejected")


@dataclass(slots=True)
class Imported:
    """What an import found and did."""

    judged: int = 0
    blank: int = 0
    """Rows without a verdict."""
    new: int = 0
    changed: int = 0
    same: int = 0
    """Verdicts that the labels file held already."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Verdicts of the sheet by reviewer; "" for those that name nobody."""
    contradictions: list[str] = field(default_factory=list)
    """Samples that one reviewer judged twice and differently; they are not imported."""
    disagreements: int = 0
    """Samples of the labels file that people judge differently."""
    kappas: list[tuple[str, str, int, float | None]] = field(default_factory=list)
    """Two reviewers, the samples that both judged, and Cohen's kappa."""
    without_sample: int = 0
    """Labels of the sheet that decide, but cannot bring a sample back."""
    labels: int = 0
    """Labels in the file afterwards."""


def import_review(sheet: Path, labels_file: Path, run_dir: Path | None = None) -> Imported:
    """Merge the verdicts of a sheet into a labels file, which is made when it is not there.

    `run_dir` gives the whole samples where the sheet no longer holds them (a CSV file). Raises SftmillError
    naming the rows that are wrong; then nothing is written.
    """
    reading = read_review(sheet, partial(_samples_of_run, run_dir) if run_dir else None)
    try:
        labels = read_labels(labels_file) if labels_file.exists() else {}
    except (ValueError, OSError) as error:
        raise SftmillError(f"{labels_file}: {error}; restore it, or import into a new file with --labels") from None
    before = labels_text(labels)
    result = Imported(blank=reading.blank)
    judgements = _without_contradictions(reading.judgements, result)
    for judgement in judgements:
        _count(judgement, result)
        old = labels.get(judgement.key)
        new = _merged(old, judgement)
        result.new += old is None
        result.changed += old is not None and new.verdicts != old.verdicts
        result.same += old is not None and new.verdicts == old.verdicts
        labels[judgement.key] = new
    result.without_sample = sum(labels[key].sample is None for key in {j.key for j in judgements})
    result.labels = len(labels)
    _agreement(labels, result)
    if (after := labels_text(labels)) != before:
        write_atomically(labels_file, after)
    return result


def _without_contradictions(judgements: list[Judgement], result: Imported) -> list[Judgement]:
    """Return the judgements less repeated ones and those in which one person contradicts himself."""
    groups: defaultdict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[judgement.key, judgement.verdict.reviewer].append(judgement)
    kept = []
    for (_, reviewer), group in groups.items():
        said = {(j.verdict.verdict, j.verdict.question, j.verdict.answer) for j in group}
        if len(said) == 1:
            kept.append(group[0])
            continue
        rows = ", ".join(f"row {j.number}: {j.verdict.verdict}" for j in group)
        result.contradictions.append(f"{rows}" + (f" ({reviewer})" if reviewer else ""))
    return sorted(kept, key=lambda judgement: judgement.number)


def _samples_of_run(run_dir: Path, keys: set[str]) -> dict[str, Row]:
    """Return those rows of a run's last stream that have these keys."""
    return {key: row for row in samples_of(run_dir)[2].rows() if (key := label_key(row)) in keys}


def _merged(old: Label | None, judgement: Judgement) -> Label:
    """Return the label with the judgement added, and the sample where it was missing."""
    if old is not None:
        verdicts = _added(old.verdicts, judgement.verdict)
        return old.model_copy(update={"verdicts": verdicts, "sample": old.sample or judgement.sample})
    return Label(
        key=judgement.key,
        question=judgement.question,
        answer=judgement.answer,
        verdicts=(judgement.verdict,),
        sample=judgement.sample,
    )


def _added(verdicts: tuple[Verdict, ...], new: Verdict) -> tuple[Verdict, ...]:
    """Return the history with a verdict added, which counts unless both have dates and it is the older one.

    What its reviewer has said last, and what came from the same file, is not added again.
    """
    own = [verdict for verdict in verdicts if verdict.reviewer == new.reviewer]
    said = {"sheet": "", "date": ""}
    if new in own or (own and own[-1].model_copy(update=said) == new.model_copy(update=said)):
        return verdicts
    last = verdicts[-1]
    if new.date and last.date and new.date < last.date:
        return (*verdicts[:-1], new, last)
    return (*verdicts, new)


def _count(judgement: Judgement, result: Imported) -> None:
    result.judged += 1
    result.counts.setdefault(judgement.verdict.reviewer, Counter())[judgement.verdict.verdict] += 1


def _agreement(labels: dict[str, Label], result: Imported) -> None:
    """Compare the last verdicts of every two named reviewers on the samples that both judged."""
    pairs: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for label in labels.values():
        last = {verdict.reviewer: verdict.verdict for verdict in label.verdicts}
        result.disagreements += len(set(last.values())) > 1
        for one, other in combinations(sorted(name for name in last if name), 2):
            pairs[one, other].append((last[one], last[other]))
    result.kappas = [(*names, len(said), kappa(said)) for names, said in sorted(pairs.items())]


def report(result: Imported) -> list[str]:
    """Return what people read about an import, line by line."""
    lines = [
        f"{result.judged:,} verdicts ({result.new:,} new, {result.changed:,} changed, {result.same:,} known), "
        f"{result.blank:,} rows without one; {result.labels:,} labels in the file"
    ]
    total = sum(result.counts.values(), Counter())
    if result.judged:
        lines.append(_rate("all", total))
    if len(result.counts) > 1:
        lines += [_rate(name or "(no name)", result.counts[name]) for name in sorted(result.counts)]
    for one, other, number, value in result.kappas:
        agreed = "undefined: one and the same verdict throughout" if value is None else f"{value:.2f}"
        lines.append(f"  {one} and {other}: {number:,} samples judged by both, Cohen's kappa {agreed}")
    if result.disagreements:
        lines.append(
            f"  {result.disagreements:,} samples are judged differently by different people; the newest counts"
        )
    if result.contradictions:
        lines.append("not imported, since one person judged the same sample twice and differently:")
        lines += [f"  {text}" for text in result.contradictions[:20]]
        if len(result.contradictions) > 20:
            lines.append(f"  ... and {len(result.contradictions) - 20:,} more")
    if result.without_sample:
        lines.append(
            f"{result.without_sample:,} labels have no whole sample with them, so they cannot bring one back; "
            "add --run RUN, or import the xlsx file that was sent out"
        )
    return lines


def _rate(name: str, counts: Counter[str]) -> str:
    number = sum(counts.values())
    low, high = wilson(counts["accepted"], number)
    said = ", ".join(f"{counts[word]:,} {word}" for word in SAID)
    return f"  {name}: {said}; accepted {counts['accepted'] / number:.1%} (95 %: {low:.1%} to {high:.1%}, Wilson)"
