"""Labels are carried out by content: rejected out, corrected replaced, accepted marked, missing ones brought back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Dropped, answer, question
from sftmill.flow.shards import Seal, ShardList, schema_of, write_shard
from sftmill.steps.curate.dedup.dedup import Dedup
from sftmill.steps.curate.labels import Label, Verdict, key_of, label_key, labels_text, read_labels, shown_question
from sftmill.steps.curate.reviewed import Reviewed

COLUMNS = ("messages", "passage", "quotations", "reviewed", "reasoning", "task")


def row(name, asks, says="好。", **more):
    messages = [{"role": "user", "content": asks}, {"role": "assistant", "content": says}]
    base = {"id": name, "root": name, "parents": [], "lang": "zh", "sensitivity": "internal", "stream": "books"}
    return {**base, "messages": messages, **more}


def label(sample, verdict, whole=True, **more):
    return Label(
        key=label_key(sample),
        question=shown_question(sample),
        answer=answer(sample),
        verdicts=(Verdict(verdict=verdict, **more),),
        sample=sample if whole else None,
    )


def stored(folder, rows, columns=COLUMNS):
    path = folder / "00000.parquet"
    write_shard(path, rows, schema_of(columns), Seal("", ""))
    return ShardList([path])


def run(folder, rows, labels, **settings):
    path = folder / "labels.jsonl"
    path.write_bytes(labels_text({item.key: item for item in labels}))
    step = Reviewed(labels=path, **settings)
    assert step.problems() == []
    assert step.files() == (path,)
    shards = stored(folder, rows)

    async def collect():
        return [item async for item in step.run({"rows": shards}, None)]

    items = asyncio.run(collect())
    return [i for i in items if not isinstance(i, Dropped)], [i for i in items if isinstance(i, Dropped)]


def said(rows):
    return [(question(r), answer(r), r.get("reviewed")) for r in rows]


def test_rejected_rows_go_corrected_ones_are_replaced_and_accepted_ones_marked(tmp_path):
    rows = [row("a", "甲？"), row("b", "乙？", reasoning="想"), row("c", "丙？"), row("d", "丁？")]
    labels = [
        label(rows[0], "rejected", comment="答非所问", reviewer="甲"),
        label(rows[1], "edited", answer="更好。", question="乙是什么？"),
        label(rows[2], "accepted"),
    ]
    kept, dropped = run(tmp_path, rows, labels)
    assert said(kept) == [("乙是什么？", "更好。", "edited"), ("丙？", "好。", "accepted"), ("丁？", "好。", None)]
    assert [r["id"] for r in kept] == ["b", "c", "d"]
    assert "reasoning" not in kept[0]
    assert [(d.row["id"], d.reason, dict(d.facts)) for d in dropped] == [
        ("a", "rejected_by_reviewer", {"comment": "答非所问", "reviewer": "甲"})
    ]


def test_labels_hold_by_content_whatever_the_ids_and_the_writing_habits(tmp_path):
    before = row("a", "UPS是什么?", "不间断电源（UPS）。")
    now = row("zzz", "ＵＰＳ 是什么？", "不间断电源 (UPS)。")
    kept, dropped = run(tmp_path, [now], [label(before, "rejected")])
    assert not kept
    assert dropped[0].row["id"] == "zzz"


def test_a_sample_that_the_stream_no_longer_makes_takes_the_place_of_its_question(tmp_path):
    old = row("a", "甲？", "旧答。", passage="原文", noise=0.5)
    rows = [row("x", "乙？"), row("a", "甲？", "新答。"), row("y", "丙？")]
    kept, dropped = run(tmp_path, rows, [label(old, "accepted")])
    assert said(kept) == [("乙？", "好。", None), ("甲？", "旧答。", "accepted"), ("丙？", "好。", None)]
    assert kept[1]["passage"] == "原文"
    assert "noise" not in kept[1], "a column that the stream does not have"
    assert "id" not in kept[1]
    assert [(d.row["id"], d.reason) for d in dropped] == [("a", "replaced_by_reviewed")]


def test_samples_whose_question_is_gone_come_back_at_the_end_unless_told_otherwise(tmp_path):
    gone = [row(str(n), f"问{n}？", "答。", sensitivity="secret") for n in range(3)]
    labels = [label(gone[0], "accepted"), label(gone[1], "rejected"), label(gone[2], "edited", answer="改。")]
    kept, dropped = run(tmp_path, [row("x", "乙？")], labels)
    assert said(kept)[0] == ("乙？", "好。", None)
    assert set(said(kept)[1:]) == {("问0？", "答。", "accepted"), ("问2？", "改。", "edited")}
    assert {r["sensitivity"] for r in kept[1:]} == {"secret"}
    assert not dropped
    assert run(tmp_path, [row("x", "乙？")], labels, add=False)[0] == [row("x", "乙？")]
    assert run(tmp_path, [row("x", "乙？")], labels[::-1]) == (kept, dropped), "the order of labels does not matter"
    assert set(said(run(tmp_path, [], labels)[0])) == set(said(kept)[1:])


def test_a_label_without_its_sample_still_decides_but_brings_nothing_back(tmp_path):
    labels = [label(row("a", "甲？"), "edited", whole=False, answer="改。"), label(row("b", "乙？"), "accepted", False)]
    kept, _ = run(tmp_path, [row("a", "甲？")], labels)
    assert said(kept) == [("甲？", "改。", "edited")]


def test_a_correction_that_was_reviewed_again_is_followed_to_its_end(tmp_path):
    first, second = row("a", "甲？", "一。"), row("a", "甲？", "二。")
    edited = label(first, "edited", answer="二。")
    kept, _ = run(tmp_path, [first], [edited, label(second, "accepted")])
    assert said(kept) == [("甲？", "二。", "edited")]
    kept, dropped = run(tmp_path, [first], [edited, label(second, "rejected")])
    assert not kept
    assert dropped[0].reason == "rejected_by_reviewer"
    kept, _ = run(tmp_path, [second], [edited])
    assert said(kept) == [("甲？", "二。", "edited")], "the model now says what it was corrected to"


def test_of_corrections_in_a_circle_the_newest_holds(tmp_path):
    first, second = row("a", "甲？", "一。"), row("a", "甲？", "二。")
    there = label(first, "edited", answer="二。", date="2024-05-01")
    back = label(second, "edited", answer="一。", date="2024-06-01")
    for given_row in (first, second):
        assert said(run(tmp_path, [given_row], [there, back])[0]) == [("甲？", "一。", "edited")]


def test_only_the_last_question_of_a_conversation_is_corrected(tmp_path):
    turns = [
        {"role": "system", "content": "你是助手。"},
        {"role": "user", "content": "UPS？"},
        {"role": "assistant", "content": "电源。"},
        {"role": "user", "content": "为何？"},
        {"role": "assistant", "content": "供电。"},
    ]
    talk = {**row("a", ""), "messages": turns}
    assert shown_question(talk) == "[user] UPS？\n[assistant] 电源。\n[user] 为何？"
    kept, _ = run(tmp_path, [talk], [label(talk, "edited", question="为什么要 UPS？")])
    assert [t["content"] for t in kept[0]["messages"]] == ["你是助手。", "UPS？", "电源。", "为什么要 UPS？", "供电。"]


def test_a_dedup_behind_it_keeps_the_reviewed_copy(tmp_path):
    rows = [row("a", "甲？", "一。"), row("b", "甲", "二。")]
    kept, _ = run(tmp_path, rows, [label(rows[1], "accepted")])
    (tmp_path / "next").mkdir()
    shards = stored(tmp_path / "next", kept)

    async def collect():
        return [item async for item in Dedup().run({"rows": shards}, None)]

    kept = [item for item in asyncio.run(collect()) if not isinstance(item, Dropped)]
    assert [name for batch in kept for name in batch.column("id").to_pylist()] == ["b"]


def test_a_labels_file_that_is_missing_or_damaged_is_a_problem_of_the_plan(tmp_path):
    path = tmp_path / "labels.jsonl"
    assert "sftmill review import" in Reviewed(labels=path).problems()[0]
    good = labels_text({"k": label(row("a", "甲？"), "accepted")})
    for bad, why in [
        (b"{", "no JSON"),
        (good.replace(b"accepted", b"perhaps"), "verdict"),
        (good.replace("甲".encode(), "乙".encode(), 1), "key"),
        (good.replace(b'"internal"', b'"everybody"'), "sensitivity"),
        (good.replace(b'"lang"', b'"drawer"'), "drawer"),
        (good.replace(b'"messages":[', b'"messages":[5,'), "messages"),
    ]:
        path.write_bytes(good + bad)
        problems = Reviewed(labels=path).problems()
        assert len(problems) == 1
        assert "labels.jsonl:2" in problems[0], problems
        assert why in problems[0]


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(texts, texts, st.sampled_from(["accepted", "rejected"]), texts), max_size=5))
def test_labels_survive_writing_and_reading(tmp_path_factory, given_labels):
    labels = {}
    for asks, says, verdict, comment in given_labels:
        item = label(row("a", asks, says), verdict, comment=comment)
        labels[item.key] = item
    path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
    path.write_bytes(labels_text(labels))
    assert read_labels(path) == labels
    assert labels_text(read_labels(path)) == path.read_bytes()


@pytest.mark.parametrize(("one", "other"), [("5%", "5"), ("不得超过", "得超过"), ("1.5", "15"), ("C#", "C")])
def test_what_changes_the_meaning_changes_the_key(one, other):
    assert key_of("问", one) != key_of("问", other)
