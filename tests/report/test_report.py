"""The report of a run: what it tells equals what the run counted, and it is safe to open."""

import copy
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from reported import TOY_STEPS, whole_run
from sftmill.cli_report import report
from sftmill.core import question
from sftmill.errors import RunError
from sftmill.flow.shards import Seal, ShardList, schema_of, shard_files, write_shard
from sftmill.report import REPORT, end_with_report, read_manifest, write_report
from sftmill.report.facts import Role, gather
from sftmill.report.generators import FEWEST, generators, is_duplicate
from sftmill.report.words import WORDS
from sftmill.text.verb_noun import verb_noun


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return whole runs, made when first asked for: (run folder, manifest) of a language."""
    made = {}

    def make(lang):
        if lang not in made:
            with pytest.MonkeyPatch.context() as patch:
                made[lang] = whole_run(tmp_path_factory.mktemp(lang), patch, lang)
        return made[lang]

    return make


@pytest.fixture(autouse=True)
def toy_steps(monkeypatch):
    """Let the report know the steps of the runs."""
    from sftmill.steps import STEPS

    for name, step in TOY_STEPS.items():
        monkeypatch.setitem(STEPS, name, step)


class Page(HTMLParser):
    """The tables of a page as lists of cells, its tags and its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.attributes, self.cell, self.text = [], [], [], None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append("".join(self.cell).strip())
            self.cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self.cell is not None:
            self.cell.append(data)


def page(run_dir, manifest):
    text = write_report(run_dir, manifest).read_text("utf-8")
    return text, Page(text)


def lines(shown, head):
    """Return the lines of all tables with such a head, by their first cell."""
    return {
        line[0]: line[1:] for table in shown.tables if tuple(table[0][: len(head)]) == tuple(head) for line in table[1:]
    }


def number(text):
    return 0 if text in ("–", "") else int(text.replace(",", ""))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_funnel_is_that_of_the_manifest(runs, lang):
    _, shown = page(*runs(lang))
    manifest = runs(lang)[1]
    told = lines(shown, WORDS[lang]["funnel_head"])
    keys = {name.partition("/")[2]: counts for name, counts in manifest["counts"].items() if name.startswith("tasks/")}
    for key, counts in keys.items():
        wanted = [counts["in"], counts["born"], counts["out"], sum(counts["dropped"].values()), counts["failed"]]
        if key != "02-personal_data":  # it stands in two streams
            assert [number(cell) for cell in told[key][:5]] == wanted
            assert number(told[key][5]) == counts.get("tokens", 0)
    assert WORDS[lang]["adds_up"].format(number=len(manifest["counts"])) in "".join(shown.text)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_rounds_and_their_sum_are_those_of_the_manifest(runs, lang):
    _, shown = page(*runs(lang))
    counts = runs(lang)[1]["counts"]["tasks/03-grow"]
    told = lines(shown, WORDS[lang]["yield_head"])
    assert len(counts["rounds"]) == 6
    for place, round_ in enumerate(counts["rounds"], 1):
        cells = told[str(place)]
        assert [number(cells[at]) for at in (0, 1, 2, 3)] == [
            round_[k] for k in ("drafts", "failed", "candidates", "admitted")
        ]
        assert number(cells[5]) == round_["dropped"].get("similar_wording", 0)
        assert number(cells[6]) == sum(n for reason, n in round_["dropped"].items() if reason != "similar_wording")
        assert number(cells[7]) == round_["tokens"]
    together = told[WORDS[lang]["all"]]
    assert number(together[3]) == sum(round_["admitted"] for round_ in counts["rounds"]) == counts["out"]
    assert number(together[7]) == counts["tokens"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_reasons_and_costs_are_those_of_the_manifest(runs, lang):
    _, shown = page(*runs(lang))
    manifest, words = runs(lang)[1], WORDS[lang]
    table = next(t for t in shown.tables if tuple(t[0][:4]) == words["drops_head"])
    told = {(line[0], line[1]): number(line[2]) for line in table[1:]}
    assert told == {
        (stage, reason): n for stage, counts in manifest["counts"].items() for reason, n in counts["dropped"].items()
    }
    assert list(told.values()) == sorted(told.values(), reverse=True)
    (spent,) = manifest["spent"]
    cells = lines(shown, words["model_head"])["teacher"]
    assert [number(cells[at]) for at in (2, 4, 6)] == [
        spent["answers"],
        spent["prompt_tokens"],
        spent["completion_tokens"],
    ]
    assert cells[7] == f"{manifest['money']['spent']:.4f} CNY"
    assert manifest["money"]["spent"] == pytest.approx(
        (2 * spent["prompt_tokens"] + 8 * spent["completion_tokens"]) / 1e6
    )


def test_a_generator_is_told_with_its_pairs_its_similarity_and_what_came_through(runs):
    run_dir, manifest = runs("zh")
    facts = gather(run_dir, manifest)
    grown, drawn = generators(run_dir, facts)
    assert (grown.stage.name, drawn.stage.name) == ("tasks/03-grow", "magpie/03-drawn")
    rows = list(ShardList(shard_files(run_dir / "streams/tasks/03-grow")).rows())
    assert grown.made == len(rows) == sum(variety.rows for variety in grown.varieties)
    pairs = {pair for row in rows if (pair := verb_noun(question(row), "zh"))}
    assert grown.varieties[-1].pairs == len(pairs) == sum(variety.new_pairs for variety in grown.varieties)
    assert grown.stream_end == manifest["counts"]["tasks/05-dedup"]["out"] < grown.made
    assert grown.run_end == grown.stream_end  # each has two children there, and is counted once
    assert (drawn.stream_end, drawn.run_end) == (drawn.made, drawn.made)
    assert grown.total.acceptance == pytest.approx(grown.made / grown.total.candidates)
    assert drawn.total.acceptance == pytest.approx(drawn.made / 40)
    assert drawn.total.tokens_each == pytest.approx(manifest["counts"]["magpie/03-drawn"]["tokens"] / drawn.made)
    assert (grown.by_round, drawn.by_round, drawn.yields) == (True, False, [])
    assert all(0 <= value <= 1 for variety in grown.varieties for value in variety.similarity)
    assert grown.compared


def rounds_run(folder, texts, lang="zh", seeds=()):
    """Write a run's folder with one generator whose rounds made these texts; return (folder, manifest)."""
    rows = [
        {
            "id": f"{i:02d}{j:030d}", "root": "r", "parents": [], "lang": lang, "sensitivity": "public", "stream": "tasks",
            "messages": [{"role": "user", "content": text}], "method": "grow", "round": i,
        }
        for i, some in enumerate(texts, 1)
        for j, text in enumerate(some)
    ]  # fmt: skip
    write_shard(
        folder / "streams/tasks/02-grow/00000.parquet", rows, schema_of(["messages", "method", "round"]), Seal("", "")
    )
    older = [
        {**row, "id": f"s{i}", "messages": [{"role": "user", "content": text}]}
        for i, text in enumerate(seeds)
        for row in rows[:1]
    ]
    write_shard(folder / "streams/tasks/01-seeds/00000.parquet", [{k: v for k, v in row.items() if k not in ("method", "round")} for row in older], schema_of(["messages"]), Seal("", ""))  # fmt: skip
    (folder / "recipe.yaml").write_text(json.dumps({"lang": [lang], "streams": {"tasks": {"steps": []}}}), "utf-8")
    rounds = [
        {"drafts": 1, "failed": 0, "candidates": len(some), "admitted": len(some), "dropped": {}, "tokens": 0}
        for some in texts
    ]
    counts = {"in": 0, "born": len(rows), "out": len(rows), "dropped": {}, "failed": 0}
    seeded = {"in": len(seeds), "born": 0, "out": len(seeds), "dropped": {}, "failed": 0}
    grown = {**counts, "in": len(seeds), "out": len(rows) + len(seeds), "rounds": rounds}
    return folder, {"name": "rounds", "counts": {"tasks/01-seeds": seeded, "tasks/02-grow": grown}}


def wordings(start, number, alike=False):
    """Return texts of ten characters that share little, or nine of them."""
    return ["".join(chr(0x4E00 + (start + n) * 10 + k) for k in range(0 if not alike else 9, 10)) if not alike else f"说明基金的主要费{chr(0x4E00 + start + n)}" for n in range(number)]  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_pool_that_collapses_is_told_with_numbers(tmp_path, lang):
    texts = [wordings(100 * n, 25, alike=n > 1) for n in range(4)]
    run_dir, manifest = rounds_run(tmp_path, texts, lang, seeds=wordings(900, 30))
    (grown,) = generators(run_dir, gather(run_dir, manifest))
    assert grown.trend == 1
    assert grown.compared[0].mean == 0
    assert grown.compared[-1].mean > 0.8
    assert grown.earlier == 25  # seeds are worded by people, and are left out
    text, _ = page(run_dir, manifest)
    a, b = grown.compared[0].mean, grown.compared[-1].mean
    assert WORDS[lang]["trend"]["round"][1].format(first="1", last="4", a=a, b=b) in unescape(text)


def test_a_pool_that_only_grows_is_no_collapse(tmp_path):
    texts = [wordings(100 * n, 40) for n in range(6)]
    (grown,) = generators(tmp_path, gather(*rounds_run(tmp_path, texts)))
    assert grown.trend == 0


def test_small_rounds_are_judged_together(tmp_path):
    texts = [wordings(50 * n, 7) for n in range(9)]
    run_dir, manifest = rounds_run(tmp_path, texts)
    (grown,) = generators(run_dir, gather(run_dir, manifest))
    assert [(variety.label, variety.rows) for variety in grown.varieties] == [("1–3", 21), ("4–6", 21), ("7–9", 21)]
    assert len(grown.yields) == 9


def test_many_rounds_take_few_lines(tmp_path):
    run_dir, manifest = rounds_run(tmp_path, [wordings(9 * n, 4) for n in range(50)])
    (grown,) = generators(run_dir, gather(run_dir, manifest))
    assert len(grown.yields) <= 12
    assert sum(one.admitted for one in grown.yields) == 200
    assert grown.yields[-1].label == "46–50"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_handful_of_rows_is_not_judged(tmp_path, lang):
    text, _ = page(*rounds_run(tmp_path, [["解释复利"], ["写一首诗"]], lang))
    assert WORDS[lang]["too_few"].format(least=FEWEST) in unescape(text)


@pytest.mark.parametrize(
    ("reason", "says"),
    [("duplicate", True), ("near_duplicate", True), ("similar_wording", True), ("similar_meaning", True),
     ("not_novel", True), ("neighbour", True), ("repeats_itself", False), ("too_short", False), ("repeated_words", False)],
)  # fmt: skip
def test_which_reasons_speak_of_duplicates(reason, says):
    assert is_duplicate(reason) is says


EVIL = "<script>alert(1)</script>\"'&\u202egnp.exe\x00<img src=x onerror=alert(2)>$x^2$"


def evil(manifest):
    """Return a manifest with markup wherever a name or a text of others may stand."""
    made = copy.deepcopy(manifest)
    counts = made["counts"].pop("tasks/04-no_examples")
    made["counts"][f"{EVIL}/01-{EVIL}"] = {**counts, "dropped": {EVIL: counts["in"] - counts["out"]}}
    made["name"] = made["sftmill"] = made["python"] = EVIL
    made["models"] = {EVIL: {"model": EVIL, "revision": EVIL}}
    made["spent"].append({"role": EVIL, "model": EVIL, "answers": 1, "prompt_tokens": 1, "completion_tokens": 1})
    made["warnings"] = [EVIL]
    made["money"]["currency"] = EVIL
    return made


def test_names_and_reasons_of_others_are_never_markup(runs):
    run_dir, manifest = runs("zh")
    text, shown = page(run_dir, evil(manifest))
    assert "<script" not in text
    assert "<img" not in text
    assert not {"script", "img", "iframe", "object", "embed", "link", "form", "base"} & set(shown.tags)
    assert not [name for _, name, _ in shown.attributes if name.startswith("on")]
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "alert(1)" in "".join(shown.text)  # it is shown, as text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_instructions_are_never_markup(tmp_path):
    texts = [[f"写{EVIL}{chr(0x4E00 + n)}的<b>诗{n}</b>" for n in range(15)], [f"Write a <img{n}>" for n in range(15)]]
    text, shown = page(*rounds_run(tmp_path, texts))
    assert not {"b", "img", "script"} & set(shown.tags)
    assert "\x00" not in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_loads_nothing_from_anywhere(runs, lang):
    text, shown = page(*runs(lang))
    policy = next(v for tag, name, v in shown.attributes if tag == "meta" and name == "content" and "default-src" in v)
    assert "default-src 'none'" in policy
    assert "script" not in policy
    for _, name, value in shown.attributes:
        if not name.startswith("xmlns"):
            assert not re.search(r"(?i)https?:|^//|javascript:|data:", value), (name, value)
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#")
    assert not re.search(r"@import|url\((?!#)", text)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_plots_stand_in_the_page_with_a_text_for_those_who_cannot_see_them(runs, lang):
    text, shown = page(*runs(lang))
    words = WORDS[lang]
    assert shown.tags.count("svg") == 3 + 4 + 2  # streams; rounds and variety; variety
    labels = [value for tag, name, value in shown.attributes if tag == "svg" and name == "aria-label"]
    assert len(labels) == 9
    assert words["alt_yield"] in labels
    assert f">{words['admitted']}</text>" in text
    assert not re.search(r"#01020\d", text)  # every colour is one of the page's style
    ids = [value for _, name, value in shown.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used <= set(ids)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_is_in_the_first_language_of_the_recipe(runs, lang):
    text, _ = page(*runs(lang))
    assert f'<html lang="{WORDS[lang]["html_lang"]}">' in text
    assert WORDS[lang]["funnel"] in unescape(text)
    assert WORDS["en" if lang == "zh" else "zh"]["funnel"] not in unescape(text)


def test_the_same_run_gives_the_same_bytes(runs):
    run_dir, manifest = runs("zh")
    first = write_report(run_dir, manifest).read_bytes()
    assert write_report(run_dir, manifest).read_bytes() == first
    report(run_dir)
    assert (run_dir / "report.html").read_bytes() == first


def test_numbers_that_do_not_add_up_are_told_in_red(runs):
    run_dir, manifest = runs("zh")
    broken = copy.deepcopy(manifest)
    broken["counts"]["tasks/05-dedup"]["out"] -= 3
    text, _ = page(run_dir, broken)
    assert WORDS["zh"]["does_not_add_up"].format(number=1) in text
    assert '<tr class="alarm"><td>05-dedup (差 +3)</td>' in text
    assert WORDS["zh"]["adds_up"].format(number=10) not in text
    assert "alarm" not in Page(write_report(run_dir, manifest).read_text("utf-8").partition("<body>")[2]).text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_run_without_rows_has_a_report(tmp_path, monkeypatch, lang):
    run_dir, manifest = whole_run(tmp_path, monkeypatch, lang, rounds=0, draws=0)
    text, shown = page(run_dir, manifest)
    assert WORDS[lang]["none_made"] in unescape(text)
    assert shown.tags.count("svg") == 3


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_run_without_generators_models_or_drops_has_a_report(tmp_path, lang):
    (tmp_path / "recipe.yaml").write_text(json.dumps({"lang": [lang]}), "utf-8")
    counts = {"in": 2, "born": 0, "out": 2, "dropped": {}, "failed": 0}
    text, _ = page(tmp_path, {"name": "plain", "counts": {"books/01-books": counts}})
    for name in ("no_generators", "no_models", "no_drops"):
        assert WORDS[lang][name] in unescape(text)


def test_a_manifest_without_any_step_has_a_report(tmp_path):
    text, _ = page(tmp_path, {"name": "nothing", "counts": {}})
    assert WORDS["zh"]["no_stages"] in text


def test_rented_machines_are_told_beside_the_roles(tmp_path):
    manifest = {
        "counts": {},
        "models": {"judge": {"model": "j"}},
        "spent": [{"role": "judge", "model": "j", "answers": 5, "prompt_tokens": 1_000_000, "completion_tokens": 0}],
        "money": {"spent": 9.5, "currency": "CNY"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps({"models": {"judge": {"price": {"prompt": 2, "gpu_hour": 30}}}}))
    facts = gather(tmp_path, manifest)
    assert facts.roles == [Role("judge", "j", "", 5, 1_000_000, 0, 0, 0, pytest.approx(2.0))]
    _, shown = page(tmp_path, manifest)
    told = lines(shown, WORDS["zh"]["model_head"])
    assert told[WORDS["zh"]["other_money"]][-1] == "7.50 CNY"
    assert told[WORDS["zh"]["all"]][-1] == "9.50 CNY"


def test_a_folder_without_a_finished_run_is_refused_with_the_next_command(tmp_path):
    with pytest.raises(RunError, match="is no run directory; `sftmill run RECIPE`"):
        read_manifest(tmp_path)
    (tmp_path / "status.json").write_text("{}")
    with pytest.raises(RunError, match="has not come to its end"):
        report(tmp_path)
    for content in ("{", "[]", "{}"):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(RunError, match="give the same `sftmill run` command again"):
            read_manifest(tmp_path)


def test_both_languages_have_the_same_words():
    def shape(words):
        return {k: shape(v) if isinstance(v, dict) else len(v) if isinstance(v, tuple) else sorted(re.findall(r"{(\w+)", v)) for k, v in words.items()}  # fmt: skip

    assert shape(WORDS["zh"]) == shape(WORDS["en"])


def test_every_word_is_used():
    source = "".join(path.read_text("utf-8") for path in Path(__file__).parents[2].joinpath("src/sftmill/report").glob("*") if path.suffix in (".py", ".jinja") and path.name != "words.py")  # fmt: skip
    unused = [name for name in WORDS["en"] if not re.search(rf'["\x27.]{name}\b', source)]
    assert not unused


def test_of_a_large_pool_only_a_sample_is_read_and_it_says_how_much(tmp_path):
    run_dir, manifest = rounds_run(tmp_path, [[f"说明第{n}种基金的第{i}项费用" for i in range(900)] for n in range(10)])
    facts = gather(run_dir, manifest)
    (grown,) = generators(run_dir, facts)
    assert grown.made == 9000
    assert grown.read == 6000
    assert all(len(variety.similarity) == 300 for variety in grown.varieties)
    text, _ = page(run_dir, manifest)
    assert WORDS["zh"]["pairs_of"].format(read="6,000", without=f"{grown.without_pair:,}") in unescape(text)


def recipe_of(*steps):
    """Return as much of a recipe as tells which steps it has."""
    entries = [SimpleNamespace(step=SimpleNamespace(writes=writes)) for writes in steps]
    for entry in entries:
        entry.step = type("Made", (), {"writes": entry.step.writes})()
    return SimpleNamespace(streams={"tasks": SimpleNamespace(steps=entries)})


def test_a_run_that_generates_or_takes_a_minute_ends_with_its_report_and_no_other(tmp_path):
    run_dir, manifest = rounds_run(tmp_path, [["解释复利"]])
    assert end_with_report(recipe_of(("messages",)), run_dir, {**manifest, "seconds": 59}) is None
    assert end_with_report(recipe_of(("messages",)), run_dir, {**manifest, "seconds": 61}) == run_dir / REPORT
    assert end_with_report(recipe_of(("messages", "method")), run_dir, {**manifest, "seconds": 1}) == run_dir / REPORT


def test_a_report_that_cannot_be_written_is_told_in_the_log_and_ends_nothing(tmp_path):
    run_dir, manifest = rounds_run(tmp_path, [["解释复利"]])
    (run_dir / "streams/tasks/02-grow/00000.parquet").write_bytes(b"damaged")
    assert end_with_report(recipe_of(("method",)), run_dir, {**manifest, "seconds": 1}) is None
    assert "`sftmill report" in (run_dir / "log.jsonl").read_text()


def test_a_generator_of_the_users_own_is_known_by_its_rows_and_what_follows_it_is_none(tmp_path, monkeypatch):
    from sftmill.steps import STEPS

    run_dir, manifest = rounds_run(tmp_path, [["解释复利", "写一首诗"]])
    monkeypatch.delitem(STEPS, "grow")
    behind = run_dir / "streams/tasks/03-Polish"
    behind.mkdir()
    (behind / "00000.parquet").write_bytes((run_dir / "streams/tasks/02-grow/00000.parquet").read_bytes())
    manifest["counts"]["tasks/03-Polish"] = {
        "in": 2,
        "born": 0,
        "out": 2,
        "dropped": {"near_duplicate": 1},
        "failed": 0,
    }
    (grown,) = generators(run_dir, gather(run_dir, manifest))
    assert grown.stage.name == "tasks/02-grow"
    assert (grown.stream_end, grown.run_end, grown.later_duplicates) == (2, None, 1)
