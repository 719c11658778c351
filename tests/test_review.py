"""Samples out to a workbook and verdicts back: nothing is lost, nothing is mixed up, and labels last."""

import csv
import io
import json
from pathlib import Path

import orjson
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from served import command, manifest_of, rows_of
from sftmill.core import answer, question
from sftmill.errors import SftmillError
from sftmill.flow.shards import Seal, schema_of, write_shard
from sftmill.recipe_reader import load_recipe
from sftmill.review import export_review, import_review
from sftmill.review.agreement import kappa, wilson
from sftmill.review.layout import FIELDS, INSTRUCTIONS, SHEETS
from sftmill.review.merge import report
from sftmill.run import run_recipe
from sftmill.sheets import read_workbook
from sftmill.steps.curate.labels import label_key, read_labels

COLUMNS = ("messages", "passage", "quotations", "source", "page", "title_path", "grounded", "question_type", "reviewed")


def sample(number, asks=None, says=None, lang="zh", **more):
    return {
        "id": f"{number:032x}",
        "root": f"{number:032x}",
        "parents": [],
        "lang": lang,
        "sensitivity": "internal",
        "stream": "books",
        "messages": [
            {"role": "user", "content": asks if asks is not None else f"第 {number} 条规定了什么？"},
            {"role": "assistant", "content": says if says is not None else f"第 {number} 条规定了期限。"},
        ],
        **more,
    }


def run_folder(folder: Path, rows, lang="zh", name="run"):
    """Make the folder of a run whose last stage holds these rows."""
    run = folder / name
    stage = run / "streams" / "books" / "04-dedup"
    stage.mkdir(parents=True)
    (run / "recipe.yaml").write_text(f"name: r\nlang: [{lang}]\nstreams: {{books: {{steps: []}}}}\n")
    for index in range(0, len(rows), 7):
        write_shard(stage / f"{index // 7:05d}.parquet", rows[index : index + 7], schema_of(COLUMNS), Seal("", ""))
    return run


def table(path):
    """Return the header and the rows of the sheet to fill in, as dicts by field."""
    rows = read_workbook(path.read_bytes())[0].rows
    return [dict(zip([field.name for field in FIELDS], row, strict=True)) for row in rows[1:]]


def save(path, rows, sheets=(), header=None, lang="zh"):
    """Write a filled-in workbook as another program would."""
    book = xlsxwriter.Workbook(str(path))
    pages = [(SHEETS[lang][0], [header or [getattr(f, lang) for f in FIELDS], *(list(row.values()) for row in rows)])]
    for name, cells in [*pages, *((sheet.name, sheet.rows) for sheet in sheets)]:
        page = book.add_worksheet(name)
        for y, row in enumerate(cells):
            for x, value in enumerate(row):
                page.write_string(y, x, value) if isinstance(value, str) else page.write(y, x, value)
    book.close()
    return path


def filled(folder, run, changes, name="back.xlsx", data=True):
    """Export all samples, fill in the rows named (from 0), and save them again."""
    sent = folder / f"sent-{name}"
    export_review(run, sent)
    rows = table(sent)
    for place, values in changes.items():
        rows[place].update(values)
    hidden = [sheet for sheet in read_workbook(sent.read_bytes()) if sheet.name == SHEETS["zh"][2]]
    return save(folder / name, rows, hidden if data else ())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_workbook_speaks_the_language_of_the_recipe(tmp_path, lang):
    rows = [sample(1, source="a.pdf", page=3, title_path=["第一章", "第二节"], quotations=["甲", "乙"], grounded=0.9)]
    done = export_review(run_folder(tmp_path, rows, lang), tmp_path / "out.xlsx")
    assert done[:3] == ("books", 1, 1)
    sheets = read_workbook((tmp_path / "out.xlsx").read_bytes())
    assert [sheet.name for sheet in sheets] == list(SHEETS[lang])
    assert sheets[0].rows[0] == [getattr(field, lang) for field in FIELDS]
    assert sheets[1].rows == [list(line) for line in INSTRUCTIONS[lang]]
    row = table(tmp_path / "out.xlsx")[0]
    assert (row["question"], row["source"], row["page"], row["title_path"]) == (
        "第 1 条规定了什么？",
        "a.pdf",
        3,
        "第一章 / 第二节",
    )
    assert row["quotations"] == "甲\n乙"
    assert row["key"] == label_key(rows[0])
    assert json.loads("".join(sheets[2].rows[1][1:])) == rows[0]


def test_accepted_corrected_and_rejected_samples_become_labels_with_the_whole_sample(tmp_path):
    rows = [sample(n, passage=f"原文 {n}", source="法.md") for n in range(4)]
    changes = {
        0: {"verdict": "接受", "reviewer": "甲"},
        1: {"verdict": "修改", "corrected_answer": "=更好的答案", "reviewer": "甲", "date": "2024/5/31"},
        2: {"verdict": " Reject ", "comment": "答非所问"},
    }
    back = filled(tmp_path, run_folder(tmp_path, rows), changes)
    result = import_review(back, tmp_path / "labels.jsonl")
    assert (result.judged, result.new, result.blank, result.labels) == (3, 3, 1, 3)
    assert result.without_sample == 0
    labels = read_labels(tmp_path / "labels.jsonl")
    edited = labels[label_key(rows[1])]
    assert (edited.verdicts[0].answer, edited.verdicts[0].date) == ("=更好的答案", "2024-05-31")
    assert edited.sample == rows[1]
    assert labels[label_key(rows[2])].verdicts[0].comment == "答非所问"
    written = (tmp_path / "labels.jsonl").read_bytes()
    again = import_review(back, tmp_path / "labels.jsonl")
    assert (again.new, again.changed, again.same) == (0, 0, 3)
    assert (tmp_path / "labels.jsonl").read_bytes() == written


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: text.strip())


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4))
def test_any_texts_survive_the_way_out_and_back(tmp_path_factory, given_texts):
    folder = tmp_path_factory.mktemp("review")
    unique = {label_key(row): row for n, (q, a, _) in enumerate(given_texts) if (row := sample(n, q, a))}
    rows = list(unique.values())
    run = run_folder(folder, rows)
    changes = {i: {"verdict": "修改", "corrected_answer": given_texts[i][2]} for i in range(len(rows))}
    sent = folder / "sent.xlsx"
    export_review(run, sent)
    cells = table(sent)
    changes = {
        i: change if change["corrected_answer"].strip() != cells[i]["answer"].strip() else {"verdict": "接受"}
        for i, change in changes.items()
    }
    import_review(filled(folder, run, changes), folder / "labels.jsonl")
    labels = read_labels(folder / "labels.jsonl")
    assert set(labels) == set(unique)
    for i, row in enumerate(rows):
        assert labels[label_key(row)].sample == row
        if changes[i]["verdict"] == "修改":
            corrected = labels[label_key(row)].verdicts[0].answer
            assert corrected.replace("\r", "") == changes[i]["corrected_answer"].strip().replace("\r", "")


def refused(tmp_path, changes, match, rows=None, **options):
    run = run_folder(tmp_path, rows or [sample(n) for n in range(4)])
    with pytest.raises(SftmillError, match=match) as caught:
        import_review(filled(tmp_path, run, changes, **options), tmp_path / "labels.jsonl")
    assert not (tmp_path / "labels.jsonl").exists(), "all or nothing"
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"verdict": "接授"}, r"row 3: the verdict '接授' is not known; did you mean '接受'"),
        ({"verdict": "acept"}, "did you mean 'accept'"),
        ({"verdict": "不知道"}, "use one of 接受, accept"),
        ({"verdict": "修改"}, "row 3: .* nothing is corrected"),
        ({"corrected_answer": "新"}, "row 3: has a correction but no verdict"),
        ({"verdict": "接受", "corrected_answer": "新"}, "row 3: .* there is a correction"),
        ({"verdict": "修改", "corrected_answer": 0.05}, "row 3: .* format the cell as text"),
        ({"verdict": "修改", "corrected_answer": "字" * 32_767}, "row 3: .* fills its cell"),
        ({"verdict": "接受", "date": "昨天"}, "row 3: the date '昨天'"),
        ({"verdict": "接受", "date": "2024-13-41"}, "row 3: the date"),
        ({"verdict": "接受", "answer": "改在原处"}, "row 3: the answer was changed in its own column"),
        ({"verdict": "接受", "key": ""}, "row 3: has no key"),
        ({"answer": "改在原处"}, "row 3: the answer was changed"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_number(tmp_path, values, match):
    refused(tmp_path, {1: values, 2: {"verdict": "接受"}}, match)


def test_a_column_that_was_sorted_alone_is_noticed(tmp_path):
    rows = [sample(n) for n in range(4)]
    keys = [label_key(row) for row in rows]
    changes = {n: {"verdict": "接受", "key": keys[3 - n]} for n in range(4)}
    text = refused(tmp_path, changes, "was one column sorted alone", rows)
    assert all(f"row {n}:" in text for n in (2, 3, 4, 5))


def test_many_problems_are_counted(tmp_path):
    text = refused(tmp_path, {n: {"verdict": "?"} for n in range(30)}, "more", [sample(n) for n in range(30)])
    assert "10 more" in text


@pytest.mark.parametrize("name", ["key", "verdict", "question"])
def test_a_missing_column_is_named(tmp_path, name):
    run = run_folder(tmp_path, [sample(1)])
    export_review(run, tmp_path / "sent.xlsx")
    rows = [{k: v for k, v in row.items() if k != name} for row in table(tmp_path / "sent.xlsx")]
    save(tmp_path / "back.xlsx", rows, header=[f.zh for f in FIELDS if f.name != name])
    with pytest.raises(SftmillError, match=f"the column .* / {name}.* is missing"):
        import_review(tmp_path / "back.xlsx", tmp_path / "labels.jsonl")


def test_rows_may_be_sorted_filtered_and_have_columns_of_their_own(tmp_path):
    rows = [sample(n) for n in range(5)]
    run = run_folder(tmp_path, rows)
    export_review(run, tmp_path / "sent.xlsx")
    cells = table(tmp_path / "sent.xlsx")[::-1][:3]
    for row in cells:
        row["verdict"] = "accept"
    save(tmp_path / "back.xlsx", [{"mine": "x", **row} for row in cells], header=["我的列", *(f.en for f in FIELDS)])
    assert import_review(tmp_path / "back.xlsx", tmp_path / "labels.jsonl").new == 3


def test_a_text_longer_than_a_cell_is_marked_and_can_be_judged_but_not_corrected(tmp_path):
    rows = [sample(1, says="长" * 40_000), sample(2)]
    run = run_folder(tmp_path, rows)
    back = filled(tmp_path, run, {0: {"verdict": "接受"}})
    assert "40,000" in table(back)[0]["answer"]
    import_review(back, tmp_path / "labels.jsonl")
    assert read_labels(tmp_path / "labels.jsonl")[label_key(rows[0])].sample == rows[0]
    change = {0: {"verdict": "修改", "corrected_answer": "短"}}
    with pytest.raises(SftmillError, match="row 2: the answer is too long for a cell"):
        import_review(filled(tmp_path, run, change, "b.xlsx"), tmp_path / "other.jsonl")
    with pytest.raises(SftmillError, match="--run"):
        import_review(filled(tmp_path, run, {0: {"verdict": "接受"}}, "c.xlsx", data=False), tmp_path / "other.jsonl")
    change = {0: {"verdict": "修改", "corrected_question": "新问题"}}
    import_review(filled(tmp_path, run, change, "d.xlsx", data=False), tmp_path / "other.jsonl", run)
    assert read_labels(tmp_path / "other.jsonl")[label_key(rows[0])].sample == rows[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_file_comes_in_with_the_samples_of_the_run(tmp_path, encoding, separator):
    rows = [sample(n, says=f"应当在 {n} 日内，书面通知对方；逾期无效。") for n in range(3)]
    run = run_folder(tmp_path, rows)
    cells = table(filled(tmp_path, run, {0: {"verdict": "接受"}, 2: {"verdict": "修改", "corrected_answer": "-5 天"}}))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow([f.zh for f in FIELDS])
    writer.writerows(row.values() for row in cells)
    (tmp_path / "back.csv").write_bytes(text.getvalue().encode(encoding))
    result = import_review(tmp_path / "back.csv", tmp_path / "labels.jsonl")
    assert (result.new, result.without_sample) == (2, 2)
    assert "--run" in "\n".join(report(result))
    result = import_review(tmp_path / "back.csv", tmp_path / "labels.jsonl", run)
    assert (result.same, result.without_sample) == (2, 0)
    labels = read_labels(tmp_path / "labels.jsonl")
    assert labels[label_key(rows[2])].verdicts[-1].answer == "-5 天"
    assert labels[label_key(rows[2])].sample == rows[2]


def test_the_newest_verdict_counts_and_the_history_stays(tmp_path):
    run = run_folder(tmp_path, [sample(1)])
    key = label_key(sample(1))

    def said(name, **values):
        import_review(filled(tmp_path, run, {0: values}, name), tmp_path / "labels.jsonl")
        return [(v.reviewer, v.verdict) for v in read_labels(tmp_path / "labels.jsonl")[key].verdicts]

    assert said("1.xlsx", verdict="接受", reviewer="甲") == [("甲", "accepted")]
    assert said("2.xlsx", verdict="拒绝", reviewer="乙")[-1] == ("乙", "rejected")
    assert said("3.xlsx", verdict="接受", reviewer="甲", comment="")[-1] == ("乙", "rejected"), "nothing new from 甲"
    assert said("4.xlsx", verdict="接受", reviewer="甲", date="2024-06-01", comment="再看")[-1] == ("甲", "accepted")
    assert said("5.xlsx", verdict="拒绝", reviewer="丙", date="2024-05-01")[-1] == ("甲", "accepted"), "丙 is older"
    assert len(read_labels(tmp_path / "labels.jsonl")[key].verdicts) == 4


def test_one_person_who_contradicts_himself_is_reported_and_two_who_differ_are_measured(tmp_path):
    rows = [sample(n) for n in range(6)]
    run = run_folder(tmp_path, rows)
    export_review(run, tmp_path / "sent.xlsx")
    cells = table(tmp_path / "sent.xlsx")
    first = [{**row, "verdict": "接受" if n < 4 else "拒绝", "reviewer": "甲"} for n, row in enumerate(cells)]
    second = [{**row, "verdict": "接受" if n < 3 else "拒绝", "reviewer": "乙"} for n, row in enumerate(cells)]
    double = [{**cells[0], "verdict": "拒绝", "reviewer": "甲"}, {**cells[1], "verdict": "接受", "reviewer": "甲"}]
    save(tmp_path / "back.xlsx", [*first, *second, *double])
    result = import_review(tmp_path / "back.xlsx", tmp_path / "labels.jsonl")
    assert result.contradictions == ["row 2: accepted, row 14: rejected (甲)"]
    assert result.disagreements == 1
    # five judged by both: accepted by both 2, rejected by both 2, 甲 accepts what 乙 rejects 1
    assert result.kappas[0][:3] == ("乙", "甲", 5)
    assert result.kappas[0][3] == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    text = "\n".join(report(result))
    assert "Cohen's kappa 0.62" in text
    assert "row 2: accepted, row 14: rejected" in text


def test_the_interval_of_a_share_and_the_agreement_have_known_values():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, and 0 of 20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    # the textbook's 50 grant proposals: 20 yes by both, 15 no by both, 5 and 10 split
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert kappa([]) is None
    assert kappa([("y", "y")] * 3) is None


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_interval_holds_the_share(hits, misses):
    low, high = wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low - 1e-12 <= hits / (hits + misses) <= high + 1e-12


def test_a_sample_of_a_run_is_spread_over_the_sources_and_follows_from_the_seed(tmp_path):
    sources = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    rows = [sample(n, source=f"{name}.md") for n, name in enumerate(sources)]
    run = run_folder(tmp_path, rows)

    def drawn(name, **options):
        assert export_review(run, tmp_path / name, number=10, **options).written == 10
        return [(row["source"], row["key"]) for row in table(tmp_path / name)]

    one = drawn("1.xlsx")
    assert [source[0] for source, _ in one] == ["a"] * 6 + ["b"] * 3 + ["c"]
    assert drawn("2.xlsx") == one
    assert drawn("3.xlsx", seed=1) != one
    assert (tmp_path / "1.xlsx").read_bytes() == (tmp_path / "2.xlsx").read_bytes()
    assert export_review(run, tmp_path / "4.xlsx", number=1000).written == 100


def test_every_row_has_the_same_chance(tmp_path):
    from sftmill.review.export import _drawn

    places = [(f"{n % 3}-{n:03d}", n) for n in range(17)]
    drawn = [_drawn(places, 5, seed) for seed in range(600)]
    assert all(len(chosen) == 5 for chosen in drawn)
    counts = [sum(n in chosen for chosen in drawn) for n in range(17)]
    expected = 600 * 5 / 17
    assert all(abs(count - expected) < 5 * (expected * (1 - 5 / 17)) ** 0.5 for count in counts)


def test_what_was_reviewed_and_what_has_no_answer_is_left_out(tmp_path):
    rows = [sample(1, reviewed="accepted"), sample(2), sample(3, says="")]
    run = run_folder(tmp_path, rows)
    assert export_review(run, tmp_path / "1.xlsx") == ("books", 1, 1, 1, 1)
    assert export_review(run, tmp_path / "2.xlsx", again=True).written == 2


def test_an_export_never_writes_over_a_file_and_says_what_is_missing(tmp_path):
    run = run_folder(tmp_path, [sample(1)])
    (tmp_path / "there.xlsx").write_text("verdicts")
    with pytest.raises(SftmillError, match="is there already"):
        export_review(run, tmp_path / "there.xlsx")
    with pytest.raises(SftmillError, match=r"\.xlsx"):
        export_review(run, tmp_path / "a.csv")
    with pytest.raises(SftmillError, match="no stream 'forum'; there are: books"):
        export_review(run, tmp_path / "a.xlsx", stream="forum")
    with pytest.raises(SftmillError, match="no run directory"):
        export_review(tmp_path, tmp_path / "a.xlsx")
    with pytest.raises(SftmillError, match="no sample to review"):
        export_review(run_folder(tmp_path, [sample(1, reviewed="edited")], name="b"), tmp_path / "a.xlsx")


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04", "结论,问题\n".encode()])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, data):
    for name in ("a.xlsx", "a.csv"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SftmillError, match=name):
            import_review(tmp_path / name, tmp_path / "labels.jsonl")
    with pytest.raises(SftmillError, match="check the path"):
        import_review(tmp_path / "none.xlsx", tmp_path / "labels.jsonl")


def test_a_hidden_sheet_that_was_tampered_with_is_refused(tmp_path):
    run = run_folder(tmp_path, [sample(1), sample(2)])
    back = filled(tmp_path, run, {0: {"verdict": "接受"}})
    hidden = read_workbook(back.read_bytes())[1]
    hidden.rows[1][1] = hidden.rows[1][1].replace("internal", "anybody")
    save(tmp_path / "spoilt.xlsx", table(back), [hidden])
    with pytest.raises(SftmillError, match="row 2: the hidden sheet"):
        import_review(tmp_path / "spoilt.xlsx", tmp_path / "labels.jsonl")
    assert import_review(tmp_path / "spoilt.xlsx", tmp_path / "labels.jsonl", run).new == 1


SCRIPT = """
rules:
  - when: /question (\\d+)/
    say: The {word} answer to $1.
"""
RECIPE = """
name: small
lang: en
models: {{teacher: {{scripted: script.yaml}}}}
streams:
  main:
    - samples: {{file: in.jsonl}}
    - respond
    {reviewed}
    - dedup
finish: [export]
"""


def test_the_whole_way_from_a_run_to_a_reviewed_run_asks_nothing_again(tmp_path):
    def go(word="first", reviewed=True, run="run"):
        (tmp_path / "script.yaml").write_text(SCRIPT.format(word=word))
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(RECIPE.format(reviewed="- reviewed: {labels: labels.jsonl}" if reviewed else ""))
        return run_recipe(load_recipe(recipe), tmp_path / run)

    lines = [orjson.dumps({"question": f"question {n}"}) for n in range(6)]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    go(reviewed=False)
    status, text = command("review", "export", tmp_path / "run", "--xlsx", tmp_path / "out.xlsx", "-n", 5, "--seed", 3)
    assert status == 0, text
    assert "5 of 6 samples" in text
    cells = table(tmp_path / "out.xlsx")
    cells[0].update(verdict="accept", reviewer="one")
    cells[1].update(verdict="edit", corrected_answer="A better one.", reviewer="one")
    cells[2].update(verdict="reject", comment="wrong", reviewer="one")
    hidden = read_workbook((tmp_path / "out.xlsx").read_bytes())[2]
    save(tmp_path / "back.xlsx", cells, [hidden], lang="en")
    status, text = command(
        "review", "import", tmp_path / "back.xlsx", "--labels", tmp_path / "labels.jsonl", cwd=tmp_path
    )
    assert status == 0, text
    assert "3 verdicts (3 new" in text
    assert "accepted 33.3%" in text

    manifest = go()
    assert manifest["calls"]["teacher"].get("calls", 0) == manifest["calls"]["teacher"].get("from_ledger", 0)
    rows = {question(row): row for row in rows_of(tmp_path / "run", "main")}
    assert rows[cells[0]["question"]]["reviewed"] == "accepted"
    assert answer(rows[cells[1]["question"]]) == "A better one."
    assert rows[cells[1]["question"]]["reviewed"] == "edited"
    assert cells[2]["question"] not in rows
    assert len(rows) == 5
    counts = manifest_of(tmp_path / "run")["counts"]
    counts = next(count for stage, count in counts.items() if stage.endswith("-reviewed"))
    assert counts["dropped"] == {"rejected_by_reviewer": 1}

    # another script, so other answers: what people accepted and corrected still stands
    (tmp_path / "ledger.sqlite").unlink()
    go("second", run="again")
    rows = {question(row): row for row in rows_of(tmp_path / "again", "main")}
    assert "first" in answer(rows[cells[0]["question"]])
    assert answer(rows[cells[1]["question"]]) == "A better one."
    assert "second" in answer(rows[cells[2]["question"]]), "a new answer was not rejected yet"
    assert len(rows) == 6
