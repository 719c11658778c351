"""Exact duplicates within a stream."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.steps.curate.given_rows import run_step as run
from tests.steps.curate.given_rows import said as row

from sftmill.core import Dropped
from sftmill.flow.shards import JoinedShards, Seal, ShardList, schema_of, write_shard
from sftmill.steps.curate.dedup.comparison import comparison_key, texts_key
from sftmill.steps.curate.dedup.dedup import Dedup


def key_of(row):
    return texts_key([turn["content"] for turn in row["messages"][:1]])


def kept_ids(step, rows):
    return [r["id"] for r in run(step, rows)[0]]


def test_the_first_of_two_equal_questions_stays_and_the_drop_names_it():
    rows = [row("a", "RAID 5 最少几块盘？"), row("b", "什么是热通道？"), row("c", "RAID 5 最少几块盘？")]
    kept, dropped = run(Dedup(), rows)
    assert [r["id"] for r in kept] == ["a", "b"]
    assert dropped == [Dropped(row("c", "RAID 5 最少几块盘？"), "duplicate", {"of": "a"})]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＲＡＩＤ ５ 最少几块盘？", "RAID5最少几块盘"),
        ("什么是“热通道”？", "什么是热通道?"),
        ("什么是「热通道」？", "什么是『热通道』"),
        ("机柜（42U）有多高？", "机柜 (42U) 有多高?"),
        ("What is a hot aisle?", "what is  a hot aisle"),
        ("Which port does SSH use?", "Which port does ‘SSH’ use ?"),
        ("5,000 台服务器要多少电？", "5000台服务器要多少电"),
        ("端口 80、443 各做什么？", "端口 80,  443 各做什么"),
    ],
)
def test_writing_habits_make_no_difference(one, other):
    assert kept_ids(Dedup(), [row("a", one), row("b", other)]) == ["a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5 kW 是多少瓦？", "15 kW 是多少瓦？"),
        ("端口 80、443 做什么？", "端口 80443 做什么？"),
        ("5% 是多少？", "5 是多少？"),
        ("C# 是什么？", "C 是什么？"),
        ("C++ 是什么？", "C 是什么？"),
        ("-5 °C 能开机吗？", "5 °C 能开机吗？"),
        ("温度 > 27 度怎么办？", "温度 < 27 度怎么办？"),
        ("RAID 1 和 0 的区别", "RAID 10 的区别"),
        ("Is 1 2 a pair?", "Is 12 a pair?"),
    ],
)
def test_what_changes_the_meaning_counts(one, other):
    assert kept_ids(Dedup(), [row("a", one), row("b", other)]) == ["a", "b"]


def test_the_answer_counts_only_where_it_is_asked_for():
    rows = [row("a", "什么是 PUE？", "总能耗与 IT 能耗之比。"), row("b", "什么是PUE?", "一个指标。")]
    assert kept_ids(Dedup(), rows) == ["a"]
    assert kept_ids(Dedup(by="question_answer"), rows) == ["a", "b"]
    again = [*rows, row("c", "什么是PUE", "总能耗与IT能耗之比")]
    assert kept_ids(Dedup(by="question_answer"), again) == ["a", "b"]


def test_passages_are_compared_where_asked_for():
    rows = [row("a", "一？", passage="冷通道在机柜前。"), row("b", "二？", passage="冷通道在机柜前"), row("c", "三？")]
    assert kept_ids(Dedup(by="passage"), rows) == ["a", "c"]


def test_the_same_last_question_after_other_turns_is_no_duplicate():
    first = [{"role": "user", "content": "什么是 UPS？"}, {"role": "assistant", "content": "不间断电源。"}]
    second = [{"role": "user", "content": "什么是 PDU？"}, {"role": "assistant", "content": "配电单元。"}]
    last = [{"role": "user", "content": "为什么？"}, {"role": "assistant", "content": "因为要供电。"}]
    rows = [{"id": "a", "messages": first + last}, {"id": "b", "messages": second + last}]
    assert kept_ids(Dedup(), rows) == ["a", "b"]


def test_the_system_turn_does_not_count():
    plain = row("a", "什么是 UPS？")
    other = {"id": "b", "messages": [{"role": "system", "content": "你是助手。"}, *plain["messages"]]}
    assert kept_ids(Dedup(), [plain, other]) == ["a"]


def test_rows_with_nothing_to_compare_are_kept():
    rows = [{"id": "a"}, {"id": "b", "messages": []}, {"id": "c", "messages": None}]
    assert kept_ids(Dedup(), rows) == ["a", "b", "c"]


def test_questions_of_punctuation_alone_are_compared_as_they_stand():
    assert kept_ids(Dedup(), [row("a", "？"), row("b", "!"), row("c", "？")]) == ["a", "b"]


def test_a_reviewed_copy_wins_wherever_it_stands_and_stays_at_its_place():
    rows = [row("a", "什么是 UPS？"), row("b", "什么是 PDU？"), row("c", "什么是UPS", reviewed="accepted")]
    kept, dropped = run(Dedup(), rows)
    assert [r["id"] for r in kept] == ["b", "c"]
    assert dropped == [Dropped(rows[0], "duplicate", {"of": "c"})]


def test_a_corrected_copy_wins_over_an_accepted_one_and_the_first_of_equals_stays():
    words = ["accepted", None, "edited", "edited", "accepted"]
    rows = [row(str(i), "What is a UPS?", reviewed=word) for i, word in enumerate(words)]
    kept, dropped = run(Dedup(), rows)
    assert [r["id"] for r in kept] == ["2"]
    assert {item.facts["of"] for item in dropped} == {"2"}
    assert len(dropped) == 4


questions = st.text(st.sampled_from("热通道 RAIDraid５5.,，。？?！“”()（）-+%\u3000"), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(questions, st.sampled_from([None, None, "accepted", "edited"]))))
def test_of_equal_rows_one_with_the_highest_rank_stays(given_rows):
    step = Dedup()
    ranks = {None: 0, "accepted": 1, "edited": 2}
    rows = [row(str(i), text, **({"reviewed": word} if word else {})) for i, (text, word) in enumerate(given_rows)]
    kept, dropped = run(step, rows)
    assert [r["id"] for r in kept] == sorted((r["id"] for r in kept), key=int)
    assert len(kept) + len(dropped) == len(rows)
    for item in dropped:
        winner = rows[int(item.facts["of"])]
        assert winner in kept
        assert key_of(winner) == key_of(item.row)
        best, other = ranks[winner.get("reviewed")], ranks[item.row.get("reviewed")]
        assert (best, -int(winner["id"])) > (other, -int(item.row["id"]))


@settings(deadline=None)
@given(st.lists(questions))
def test_kept_keys_differ_and_every_drop_points_at_a_kept_row(texts):
    step = Dedup()
    rows = [row(str(i), text) for i, text in enumerate(texts)]
    kept, dropped = run(step, rows)
    assert len(kept) + len(dropped) == len(rows)
    keys = [key_of(r) for r in kept if key_of(r) is not None]
    assert len(keys) == len(set(keys))
    by_id = {r["id"]: r for r in kept}
    for item in dropped:
        first = by_id[item.facts["of"]]
        assert int(first["id"]) < int(item.row["id"])
        assert key_of(first) == key_of(item.row)
    assert run(step, kept) == (kept, [])


@settings(deadline=None)
@given(st.text(st.sampled_from("AbRz059 .?!:;()[]%#+-/&热机")))
def test_full_width_letters_have_the_same_key(text):
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)
    assert comparison_key(wide) == comparison_key(text)


@pytest.mark.parametrize("how", ["exact", "near"])
def test_a_condition_between_the_shards_and_the_step_leaves_rows_out_first(tmp_path, how):
    if how == "near":
        pytest.importorskip("numba", reason="near-duplicates need numba: pip install 'sftmill[scale]'")
    names = ["messages", "reviewed"]
    rows = [row("a", "什么是热通道？"), row("b", "什么是热通道", reviewed="edited"), row("c", "什么是“热通道”？")]
    write_shard(tmp_path / "00000.parquet", rows, schema_of(names), Seal("", ""))
    write_shard(tmp_path / "00001.parquet", [row("d", "什么是热通道!")], schema_of(["messages"]), Seal("", ""))
    files = [tmp_path / "00000.parquet", tmp_path / "00001.parquet"]
    whole = ShardList(files)
    part = JoinedShards([ShardList(files[:1], lambda given: given["id"] != "b"), ShardList(files[1:])])

    async def kept(shards):
        items = [item async for item in Dedup(how=how).run({"rows": shards}, None)]
        return [name for item in items if not isinstance(item, Dropped) for name in item.column("id").to_pylist()]

    assert asyncio.run(kept(whole)) == ["b"]
    assert asyncio.run(kept(part)) == ["a"]
