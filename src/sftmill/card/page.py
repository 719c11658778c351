"""A card as Markdown, in Chinese or English."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sftmill.card.facts import Facts, Source, Spread
from sftmill.card.licences import care, of_all
from sftmill.card.words import CARE_ORDER, WORDS

LISTED_SOURCES = 20
"""Sources that a card lists, those with most samples first."""
LISTED_KINDS = 12
"""Kinds of question and such that a card lists."""
LONGEST_CELL = 80
"""Characters of a name in a table."""

# Borders of Hugging Face's size categories (hub documentation, "Dataset cards").
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)


def render(facts: Facts) -> str:
    """Return the card."""
    words = WORDS[facts.lang]
    sections = [
        _head(facts, words),
        _content(facts, words),
        _files(facts, words),
        _sources(facts, words),
        _made(facts, words),
        _quality(facts, words),
        _cost(facts, words),
        _limits(facts, words),
        _again(facts, words),
    ]
    return _front_matter(facts) + "\n\n".join(part for section in sections for part in section if part) + "\n"


def _front_matter(facts: Facts) -> str:
    """Return the YAML that the Hugging Face hub reads; JSON strings are YAML strings."""
    licence = of_all(list(facts.licences))
    lines = [f"license: {licence}"]
    if licence == "other":
        lines.append(f"license_name: {_yaml('; '.join(sorted(facts.licences)))}")
    size = next((name for border, name in _SIZES if facts.rows < border), "n>1T")
    tasks = ["text-generation", *(["question-answering"] if facts.tasks or len(facts.grounded) else [])]
    lines += ["language:", *(f"- {lang}" for lang in sorted(facts.langs))] if facts.langs else []
    lines += [f"pretty_name: {_yaml(str(facts.manifest.get('name', '')))}"]
    lines += ["size_categories:", f"- {size}", "task_categories:", *(f"- {task}" for task in tasks)]
    lines += ["tags:", "- synthetic", "- sft"]
    configs = [(folder, file) for folder, file in facts.files if file.name.endswith(".jsonl") and file.rows]
    if configs:
        lines.append("configs:")
    for folder, file in configs:
        path = f"{folder}/{file.name}" if folder else file.name
        lines += [
            f"- config_name: {_yaml(path.removesuffix('.jsonl').replace('/', '.'))}",
            f"  data_files: {_yaml(path)}",
        ]
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _day(facts: Facts) -> str:
    return datetime.fromtimestamp(facts.manifest.get("started", 0), UTC).date().isoformat()


def _head(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    named = [name for name in facts.sources if name]
    origin = words["origin"].format(sources=len(named)) if named and not facts.further else ""
    version = facts.manifest.get("sftmill", "")
    parts = [words["summary"].format(rows=facts.rows, version=version, day=_day(facts), origin=origin)]
    if facts.manifest.get("limit"):
        parts.append(_warning(words["trial"].format(limit=facts.manifest["limit"]), words))
    if facts.most_sensitive != "public":
        parts.append(_warning(words["sensitive"].format(kind=words["kinds"][facts.most_sensitive]), words))
    return [f"# {_text(str(facts.manifest.get('name', '')))}", *parts]


def _content(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    parts = [f"## {words['content']}"]
    if not facts.rows:
        return []
    lines = [
        (
            words["langs"].get(lang, lang),
            f"{number:,}",
            _spread(facts.lengths.get((lang, "question"))),
            _spread(facts.lengths.get((lang, "answer"))),
        )
        for lang, number in facts.langs.most_common()
    ]
    parts += [_table(words["length_head"], lines, right=(1, 2, 3)), words["lengths"]]
    kinds = [
        f"- {words[name]}{words['colon']}{_shares(counter, facts.rows, words)}{words['stop']}"
        for name, counter in (
            ("question_types", facts.question_types),
            ("tasks", facts.tasks),
            ("streams", facts.streams if len(facts.streams) > 1 else {}),
        )
        if counter
    ]
    if facts.turns.at(1.0) > 1:
        share = 1 - facts.turns.share_up_to(1)
        kinds.append(f"- {words['turns'].format(share=share, most=facts.turns.at(1.0))}")
    if facts.thoughts:
        kinds.append(f"- {words['thoughts'].format(number=facts.thoughts)}")
    return [*parts, "\n".join(kinds)]


def _files(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    if not facts.files:
        return [f"## {words['files']}", words["no_files"]]
    lines = [
        (f"`{folder}/{file.name}`" if folder else f"`{file.name}`", f"{file.rows:,}", file.readers)
        for folder, file in facts.files
    ]
    return [f"## {words['files']}", _table(words["file_head"], lines, right=(1,)), words["how_to_load"]]


def _sources(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    licences = [
        (_text(name) or words["no_licence"], f"{number:,}", words["care"][care(name)])
        for name, number in facts.licences.most_common()
    ]
    warnings = []
    for kind in CARE_ORDER:
        names = sorted(name for name in facts.licences if care(name) == kind)
        if names:
            rows = sum(facts.licences[name] for name in names)
            listed = words["comma"].join(_text(name) for name in names if name)
            warnings.append(_warning(words["warnings"][kind].format(rows=rows, names=listed), words))
    by_rows = sorted(facts.sources.items(), key=lambda item: (-item[1].rows, item[0]))
    parts = [f"## {words['sources']}"]
    if licences:
        parts += [_table(words["licence_head"], licences, right=(1,)), words["licence_note"], *warnings]
    lines = [_source(name, source, words) for name, source in by_rows[:LISTED_SOURCES]]
    if any(name for name, _ in by_rows):
        parts.append(_table(words["source_head"], lines, right=(1,)))
    if len(by_rows) > LISTED_SOURCES or facts.further:
        rest = by_rows[LISTED_SOURCES:]
        number = f"{len(rest):,}" if not facts.further else f"> {len(rest):,}"
        rows = sum(source.rows for _, source in rest) + facts.further
        parts.append(words["more_sources"].replace("{number:,}", number).format(rows=rows))
    return parts


def _source(name: str, source: Source, words: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _code(name) if name else words["no_source"],
        f"{source.rows:,}",
        _text(source.licence) or words["no_licence"],
        words["kinds"].get(source.sensitivity, ""),
        _text(source.effective),
        _text(source.expires),
    )


def _made(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    parts = [f"## {words['made']}"]
    spent = {entry["role"]: entry for entry in facts.manifest.get("spent", [])}
    lines = []
    for role, model in facts.manifest.get("models", {}).items():
        paid = spent.get(role, {})
        lines.append(
            (
                _text(role),
                _text(_model(facts, role)) or words["unnamed"],
                _text(model.get("revision") or "") or words["no_revision"],
                words["comma"].join(_code(step) for step in facts.asked_by(role)),
                f"{paid.get('answers', 0):,}",
                f"{paid.get('prompt_tokens', 0):,} / {paid.get('completion_tokens', 0):,}",
            )
        )
    parts.append(_table(words["model_head"], lines, right=(4, 5)) if lines else words["no_models"])
    if prompts := facts.manifest.get("prompts"):
        parts += [
            words["prompts"],
            "\n".join(f"- `{name}` `{digest[:16]}`" for name, digest in sorted(prompts.items())),
        ]
    steps = [
        (
            _code(name),
            f"{counts['in']:,}",
            f"{counts['born']:,}",
            f"{counts['out']:,}",
            f"{counts['failed']:,}",
            words["comma"].join(
                f"{_code(reason)} {number:,}"
                for reason, number in sorted(counts["dropped"].items(), key=lambda item: (-item[1], item[0]))
            ),
        )
        for name, counts in facts.counts.items()
    ]
    return [*parts, words["funnel"], _table(words["funnel_head"], steps, right=(1, 2, 3, 4))]


def _model(facts: Facts, role: str) -> str:
    """Return the name of a role's model: as the recipe names it, else as it answered."""
    named = facts.manifest["models"][role].get("model")
    answered = [entry["model"] for entry in facts.manifest.get("spent", []) if entry["role"] == role]
    return named or facts.recipe.get("models", {}).get(role, {}).get("local") or next(iter(answered), "")


def _quality(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    duplicates = facts.dropped("duplicate")
    looked = any("dedup" in step for step in facts.counts)
    lines = [
        words["duplicates"].format(number=duplicates)
        if duplicates
        else words["no_duplicates" if looked else "no_dedup"]
    ]
    if facts.rows and len(facts.grounded):
        scores = {f"p{p}": facts.grounded.at(p / 100) for p in (5, 50, 95)}
        lines.append(words["grounded"].format(share=len(facts.grounded) / facts.rows, **scores))
    else:
        lines.append(words["not_grounded"])
    rejected = facts.dropped("rejected_by_reviewer")
    if seen := facts.reviewed.total():
        verdicts = words["comma"].join(
            f"{words['verdicts'].get(verdict, verdict)} {number:,}" for verdict, number in facts.reviewed.most_common()
        )
        share = seen / facts.rows
        lines.append(words["reviewed"].format(number=seen, share=share, verdicts=verdicts, rejected=rejected))
    else:
        lines.append(words["only_rejected"].format(rejected=rejected) if rejected else words["not_reviewed"])
    if masked := facts.tally("masked"):
        kinds = words["comma"].join(f"{_code(kind)} {number:,}" for kind, number in masked.items())
        lines.append(words["masked"].format(kinds=kinds))
    elif facts.recipe.get("personal_data") == "keep":
        lines.append(words["kept_personal"])
    else:
        lines.append(words["not_masked" if facts.looked_for_personal_data else "not_searched"])
    return [f"## {words['quality']}", "\n".join(f"- {line}" for line in lines)]


def _cost(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    spent = facts.manifest.get("spent", [])
    title = f"## {words['cost']}"
    if not spent:
        return [title, words["cost_none"]]
    total = {
        name: sum(entry[f"{name}{rest}"] for entry in spent)
        for name, rest in (("answers", ""), ("prompt", "_tokens"), ("completion", "_tokens"), ("cached", "_tokens"))
    }
    each = (total["prompt"] + total["completion"]) // max(1, facts.rows)
    money = facts.manifest.get("money", {})
    price = words["cost_free"]
    if money.get("spent"):
        price = words["cost_money"].format(
            money=money["spent"], currency=money["currency"], each=money["spent"] / max(1, facts.rows)
        )
    return [title, words["cost_tokens"].format(each=each, **total), price]


def _limits(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    models = facts.manifest.get("models", {})
    lines = [words["limit_rules"]]
    if models:
        names = dict.fromkeys(_model(facts, role) or role for role in models)
        lines = [words["limit_model"].format(models=words["comma"].join(map(_text, names)))]
    if facts.rows and (share := facts.reviewed.total() / facts.rows) < 1:
        lines.append(words["limit_unreviewed"].format(share=share) if share else words["limit_nobody"])
    if len(facts.grounded):
        lines.append(words["limit_grounding"])
    if failed := sum(counts["failed"] for counts in facts.counts.values()):
        lines.append(words["limit_failed"].format(number=failed))
    if roles := [role for role, model in models.items() if not model.get("revision")]:
        lines.append(words["limit_revision"].format(roles=words["comma"].join(map(_text, roles))))
    if days := sorted(source.effective for source in facts.sources.values() if source.effective):
        lines.append(words["limit_dates"].format(first=_text(days[0]), last=_text(days[-1])))
    if days := sorted(source.expires for source in facts.sources.values() if source.expires):
        lines.append(words["limit_expired"].format(number=len(days), first=_text(days[0])))
    if facts.looked_for_personal_data:
        lines.append(words["limit_personal"])
    if facts.weighted:
        lines.append(words["limit_weight"].format(number=facts.weighted))
    lines += [words["limit_warning"].format(warning=_text(str(w), 400)) for w in facts.manifest.get("warnings", [])]
    return [f"## {words['limits']}", "\n".join(f"- {line}" for line in lines)]


def _again(facts: Facts, words: Mapping[str, Any]) -> list[str]:
    fingerprints = list(facts.manifest.get("fingerprints", {}).values())
    cite = words["cite"].format(
        name=_text(str(facts.manifest.get("name", ""))),
        rows=facts.rows,
        version=facts.manifest.get("sftmill", ""),
        day=_day(facts),
        fingerprint=f"`{fingerprints[-1]}`" if fingerprints else "-",
    )
    return [f"## {words['again']}", cite, words["again_how"], "```bash\nsftmill run RECIPE\n```"]


def _warning(text: str, words: Mapping[str, Any]) -> str:
    return f"> **{words['mind']}**{words['colon']}{text}"


def _spread(spread: Spread | None) -> str:
    return " / ".join(f"{spread.at(p / 100):,.0f}" for p in (5, 50, 95)) if spread else ""


def _shares(counter: Mapping[str, int], rows: int, words: Mapping[str, Any]) -> str:
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return words["comma"].join(
        words["of"].format(name=_code(name), number=number, share=number / rows)
        for name, number in ranked[:LISTED_KINDS]
    )


def _text(text: str, longest: int = LONGEST_CELL) -> str:
    """Return a text of others as it may stand in a table: one line, nothing that Markdown or HTML would take up."""
    line = " ".join(text.splitlines()).strip()
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    for sign in "\\`*_[]|#":
        line = line.replace(sign, f"\\{sign}")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """Return a name of others as code, short and on one line; a table would take up a bar even there."""
    line = " ".join(text.splitlines()).replace("`", "'").replace("|", "¦")
    return f"`{line if len(line) <= LONGEST_CELL else f'{line[: LONGEST_CELL - 1]}…'}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: tuple[int, ...] = ()) -> str:
    """Return a Markdown table; `right` are the columns of numbers."""
    rule = "|".join("---:" if column in right else "---" for column in range(len(head)))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])
