"""Near-duplicates within a stream: what is found, what is kept apart, and which copy stays."""

import json
import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="near-duplicates need numba: pip install 'sftmill[scale]'")

from tests.steps.curate.given_rows import GivenRows, run_step, said

from sftmill.steps.curate.dedup import dedup as dedup_module
from sftmill.steps.curate.dedup import exact
from sftmill.steps.curate.dedup.comparison import comparison_key
from sftmill.steps.curate.dedup.dedup import Dedup
from sftmill.steps.curate.dedup.fold import SPACE, fold_character, is_wide, letters_of, tables
from sftmill.steps.curate.dedup.lsh import choose_bands, permutations
from sftmill.steps.curate.dedup.near import Near, Rule, pair_all
from sftmill.steps.curate.dedup.number_guard import numbers_differ, unlike

NEAR = Dedup(how="near")


def kept_ids(rows, step=NEAR):
    return [row["id"] for row in run_step(step, rows)[0]]


def clusters(rows, step=NEAR):
    """Return what the step takes for one, as sets of ids."""
    kept, dropped = run_step(step, rows)
    found = {row["id"]: {row["id"]} for row in kept}
    for item in dropped:
        found[item.facts["of"]].add(item.row["id"])
    return {frozenset(cluster) for cluster in found.values()}


def made_texts(number, seed=3):
    """Return texts in both languages, half of them more or less changed copies of others."""
    draw = random.Random(seed)
    hanzi = [chr(point) for point in range(0x5E00, 0x5F00)]
    words = ["".join(draw.choice("abcdefghiklmnoprstuw") for _ in range(draw.randint(2, 7))) for _ in range(300)]
    texts = []
    while len(texts) < number:
        if texts and draw.random() < 0.5:
            letters = list(draw.choice(texts))
            for _ in range(draw.randint(0, max(1, len(letters) // 18))):
                at = draw.randrange(len(letters))
                letters[at : at + draw.randint(0, 2)] = draw.choice(letters)
            texts.append("".join(letters))
        elif draw.random() < 0.5:
            texts.append("".join(draw.choice(hanzi) for _ in range(draw.randint(4, 160))))
        else:
            texts.append(" ".join(draw.choice(words) for _ in range(draw.randint(2, 40))))
    return texts


def plain(text):
    text = re.sub(r"\s+", " ", text.lower()).strip()
    return re.sub(r"(?<=[\u4e00-\u9fff]) | (?=[\u4e00-\u9fff])", "", text)


def brute(texts):
    """Return the pairs that the documented rule takes for copies, counted with Python's sets."""
    folded = [plain(text) for text in texts]
    short = [len(t) <= 60 and 3 * sum("\u4e00" <= c <= "\u9fff" for c in t) >= len(t) for t in folded]
    pieces = {n: [{t[i : i + n] for i in range(max(1, len(t) - n + 1))} for t in folded] for n in (3, 5)}
    found = {}
    for i, one in enumerate(folded):
        for j in range(i):
            if not one or not folded[j] or not 0.5 < len(one) / len(folded[j]) < 2:
                continue
            size, least = (3, 0.7) if short[i] or short[j] else (5, 0.8)
            a, b = pieces[size][i], pieces[size][j]
            if min(len(a), len(b)) < least * max(len(a), len(b)):
                continue
            similarity = len(a & b) / len(a | b)
            if similarity >= least:
                found[j, i] = similarity
    return found


def test_the_pairs_are_those_that_comparing_all_with_all_finds():
    texts = made_texts(2000)
    rows = [said(str(i), text) for i, text in enumerate(texts)]
    near = Near(GivenRows(rows, 300), np.zeros(len(rows), np.int64), Rule(numbers="ignore"))
    edges = near.find()
    wanted = brute(texts)
    found = {}
    for one, other, similarity in zip(edges.one.tolist(), edges.other.tolist(), edges.similarity.tolist(), strict=True):
        found[min(one, other), max(one, other)] = similarity
    assert len(wanted) > 500
    wrong = [
        pair
        for pair in found
        if pair not in wanted and comparison_key(texts[pair[0]]) != comparison_key(texts[pair[1]])
    ]
    assert not wrong
    for pair in found.keys() & wanted.keys():
        assert found[pair] == pytest.approx(wanted[pair], abs=1e-6)
    # texts that are the same stand for each other, so that pairs are compared as what they connect
    root = {}

    def top(place):
        while root.get(place, place) != place:
            place = root[place]
        return place

    for one, other in found:
        root[top(other)] = top(one)
    missed = [pair for pair in wanted if top(pair[0]) != top(pair[1])]
    assert len(missed) <= 0.002 * len(wanted)


def test_the_order_of_the_rows_makes_no_difference_to_what_is_a_copy():
    rows = [said(str(i), text) for i, text in enumerate(made_texts(400, seed=5))]
    first = clusters(rows, Dedup(how="near", numbers="ignore"))
    random.Random(1).shuffle(rows)
    assert clusters(rows, Dedup(how="near", numbers="ignore")) == first
    assert any(len(cluster) > 2 for cluster in first)


def test_less_memory_gives_the_same_result():
    rows = GivenRows([said(str(i), text) for i, text in enumerate(made_texts(600, seed=8))], 100)
    kinds, rank = np.zeros(600, np.int64), np.arange(600)
    at_once, piecemeal = (Near(rows, kinds, Rule(), held) for held in (1 << 30, 3000))
    one, other = at_once.settle(at_once.find(), rank), piecemeal.settle(piecemeal.find(), rank)
    assert (one.of == other.of).all()
    assert np.array_equal(one.similarity, other.similarity, equal_nan=True)
    assert len(one.dropped()) > 100


def test_another_process_finds_the_same():
    code = (
        "import numpy as np\n"
        "from sftmill.steps.curate.dedup.near import Near, Rule\n"
        "from tests.steps.curate.given_rows import GivenRows, said\n"
        "from tests.steps.curate.test_dedup_near import made_texts\n"
        "rows = GivenRows([said(str(i), text) for i, text in enumerate(made_texts(300))], 50)\n"
        "edges = Near(rows, np.zeros(300, np.int64), Rule()).find()\n"
        "print(edges.one.tolist(), edges.other.tolist(), edges.similarity.tolist())\n"
    )
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_rows_that_are_identical_are_one_and_empty_ones_are_no_copies():
    text = "请说明企业在什么情况下应当计提存货跌价准备，并列出相关的会计分录。"
    rows = [said(str(i), text) for i in range(120)] + [said(f"e{i}", "") for i in range(3)] + [{"id": "none"}]
    assert kept_ids(rows) == ["0", "e0", "e1", "e2", "none"]


def test_texts_shorter_than_a_piece_are_copies_only_where_they_are_the_same():
    rows = [said(str(i), text) for i, text in enumerate(["嗯", "嗯。", "好", "ok", "OK!", "no", "？", "?", "！"])]
    assert clusters(rows) == {frozenset(c) for c in (["0", "1"], ["2"], ["3", "4"], ["5"], ["6", "7"], ["8"])}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "请解释企业所得税汇算清缴的流程，并说明小型微利企业可以享受哪些优惠政策。",
            "请解释企业所得税汇算清缴流程，并说明小型微利企业可以享受哪些优惠的政策。",
        ),
        ("什么是“热通道”？", "什么是热通道?"),
        (
            "How do I restart the nginx service on a Debian server without dropping open connections?",
            "How do i restart the nginx service on a Debian server, without dropping open connections",
        ),
    ],
)
def test_texts_with_small_edits_are_copies(one, other):
    kept, dropped = run_step(NEAR, [said("a", one), said("b", other)])
    assert [row["id"] for row in kept] == ["a"]
    assert dropped[0].reason == "duplicate"
    assert dropped[0].facts["of"] == "a"
    assert 0.7 <= dropped[0].facts["similarity"] <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "公司向银行借款5万元，年利率百分之六，一年后应当归还多少？",
            "公司向银行借款8万元，年利率百分之六，一年后应当归还多少？",
        ),
        (
            "劳动合同法第三十八条对解除劳动合同是怎么规定的？请说明。",
            "劳动合同法第三十九条对解除劳动合同是怎么规定的？请说明。",
        ),
        (
            "A warehouse ships 240 boxes a day. How many boxes does the warehouse ship in four weeks?",
            "A warehouse ships 260 boxes a day. How many boxes does the warehouse ship in four weeks?",
        ),
        (
            "Please name three ways in which a company may lower the cost of its cold storage.",
            "Please name seven ways in which a company may lower the cost of its cold storage.",
        ),
    ],
)
def test_questions_that_differ_in_a_number_are_no_copies_unless_numbers_do_not_count(one, other):
    rows = [said("a", one), said("b", other)]
    assert kept_ids(rows) == ["a", "b"]
    assert kept_ids(rows, Dedup(how="near", numbers="ignore", threshold=0.6)) == ["a"]


def test_the_same_number_written_otherwise_is_no_difference():
    one = "一台服务器满载时的功率是1200瓦，请计算二十台这样的服务器一天要用多少度电。"
    other = "一台服务器满载时的功率是1.2千瓦，请计算20台这样的服务器一天要用多少度电。"
    assert not numbers_differ([one], [other])


def test_a_copy_that_has_lost_the_number_does_not_make_one_of_two_numbers():
    head = "The committee on water supply met in the town hall and heard a long report on the state of the old pumps, "
    tail = "after which the members agreed to look at the accounts again in spring and to ask the engineers for advice."
    texts = [head + tail, head + "all 12 of them, " + tail, head + "all 19 of them, " + tail]
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]):
        kept, dropped = run_step(NEAR, [said(str(i), texts[i]) for i in order])
        for item in dropped:
            assert {item.row["id"], item.facts["of"]} != {"1", "2"}
        assert len(kept) == (1 if order[0] == 0 else 2)


def test_a_long_history_in_common_does_not_make_two_questions_one():
    history = [
        {"role": "user", "content": "请详细介绍一下数据中心冷热通道隔离的做法，以及它对能耗和设备寿命的影响。" * 3},
        {
            "role": "assistant",
            "content": "冷热通道隔离就是把机柜的进风侧与出风侧分开，减少冷热空气的混合，从而降低能耗。" * 3,
        },
    ]

    def asked(name, text):
        return {"id": name, "messages": [*history, {"role": "user", "content": text}]}

    rows = [asked("a", "那么改造要花多少钱？"), asked("b", "谁来负责日常的维护？"), asked("c", "那么改造要花多少钱")]
    assert kept_ids(rows) == ["a", "b"]


def test_answers_that_contradict_each_other_are_no_copies_where_answers_count():
    question = "请判断下面的说法是否正确：企业发生的与取得收入有关的合理支出，准予在计算应纳税所得额时扣除。"
    rows = [said("a", question, "正确。"), said("b", question + " ", "错误。"), said("c", question, "正确")]
    assert kept_ids(rows, Dedup(how="near", by="question_answer")) == ["a", "b"]
    assert kept_ids(rows) == ["a"]


def test_passages_are_compared_where_asked_for():
    passage = "UPS 应当每季度做一次放电测试，测试前要通知值班人员，并确认旁路可用。"
    rows = [{"id": "a", "passage": passage}, {"id": "b", "passage": passage.replace("值班", "当班")}, {"id": "c"}]
    assert kept_ids(rows, Dedup(how="near", by="passage")) == ["a", "c"]


def test_words_can_be_what_pieces_are_made_of():
    one = "Which documents must an exporter hand to the customs office before the goods may leave the port?"
    rows = [said("a", one), said("b", one.replace("Which", "What"))]
    assert kept_ids(rows, Dedup(how="near", unit="words", threshold=0.8)) == ["a"]
    assert kept_ids(rows, Dedup(how="near", unit="words", threshold=0.95)) == ["a", "b"]


def test_a_wrong_answer_and_a_sample_about_an_answer_are_no_copies_of_others():
    text = "什么情况下可以认定为工伤？请列出主要的情形并简要说明。"
    rows = [
        said("a", text),
        said("b", text, polarity="negative"),
        said("c", text, task="correction"),
        said("d", text, polarity="positive", task="closed_book"),
    ]
    assert kept_ids(rows) == ["a", "b", "c"]
    assert kept_ids(rows, Dedup()) == ["a", "b", "c"]


def test_which_copy_stays_is_a_rule():
    text = "Explain how a heat pump moves heat from a cold place to a warm one, with an example."
    rows = [
        said("first", text, stream="forum"),
        said("preferred", text, stream="books"),
        said("scored", text, stream="forum", score=3.0),
        said("better", text, stream="forum", score=4.5),
        said("accepted", text, stream="forum", reviewed="accepted"),
        said("edited", text, stream="forum", reviewed="edited"),
    ]
    for step in (Dedup(prefer=("books",)), Dedup(how="near", prefer=("books",))):
        given_rows = list(rows)
        for name in ("edited", "accepted", "better", "scored", "preferred", "first"):
            assert kept_ids(given_rows, step) == [name]
            given_rows = [row for row in given_rows if row["id"] != name]


def test_shards_need_not_have_the_same_columns():
    text = "数据中心的供电系统由哪几个部分组成？各自的作用是什么？"
    rows = [
        said("a", text),
        {"id": "b", "passage": "别的"},
        said("c", text, score=2.0),
        said("d", text, reviewed="edited"),
    ]
    kept, _ = run_step(NEAR, rows, size=1, same_columns=False)
    assert [row["id"] for row in kept] == ["b", "d"]


def test_the_bands_find_what_the_curve_says():
    draw = np.random.Generator(np.random.PCG64(4))
    bands = choose_bands(0.8)
    assert bands.chance(0.8) >= 0.998
    assert bands.chance(0.3) < 0.01
    factors, offsets = permutations(bands.bands * bands.rows, 2)
    for similarity in (0.5, 0.65, 0.8):
        shared, own = int(200 * similarity), int(100 * (1 - similarity))
        met = 0
        for _ in range(300):
            values = draw.integers(0, 1 << 32, shared + 2 * own, dtype=np.uint32)
            sets = values[: shared + own], np.concatenate([values[:shared], values[shared + own :]])
            minima = [(one[:, None] * factors + offsets).min(axis=0).reshape(bands.bands, bands.rows) for one in sets]
            met += bool((minima[0] == minima[1]).all(axis=1).any())
        true = shared / (shared + 2 * own)
        assert met / 300 == pytest.approx(bands.chance(true), abs=0.09)


def test_every_threshold_has_bands_that_find_its_pairs():
    for threshold in np.arange(0.31, 1.0, 0.01):
        bands = choose_bands(threshold)
        assert bands.bands <= 64
        assert bands.chance(threshold) >= 0.997
    assert choose_bands(1.0).chance(1.0) == 1


def test_a_crowd_that_shares_a_key_is_not_compared_all_with_all():
    keys = np.zeros((3000, 4), np.uint32)
    keys[:, 1] = np.arange(3000) // 2
    keys[:, 2:] = np.arange(6000).reshape(3000, 2)
    pairs = pair_all(keys)
    assert len(pairs) < 3000 * 16
    assert {(i, i + 1) for i in range(0, 3000, 2)} <= set(map(tuple, pairs.tolist()))


def test_a_template_that_thousands_share_keeps_its_fillings_apart():
    draw = random.Random(2)
    names = ["".join(draw.choice("abcdefghij") for _ in range(30)) for _ in range(1500)]
    texts = [
        f"Please write a short and friendly letter to the customer {name} about the delay of the goods"
        for name in names
    ]
    rows = [said(str(i), text) for i, text in enumerate([*texts, texts[700] + "."])]
    kept, dropped = run_step(NEAR, rows)
    assert [item.row["id"] for item in dropped] == ["1500"]
    assert len(kept) == 1500


mixed = st.text(st.sampled_from("aZé5５ßΣς，。！“ \u3000\t热通道Ａ①x²½\u200bﬁ😀𠀀가İ-"), max_size=30)


@settings(deadline=None)
@given(mixed)
def test_the_compiled_fold_reads_bytes_as_python_reads_characters(text):
    from sftmill.steps.curate.dedup.kernels import fold

    wanted, space = [], False
    for character in text:
        for code in fold_character(ord(character)) if ord(character) < 0x20000 else (ord(character),):
            if code == SPACE:
                space = True
                continue
            if space and wanted and not is_wide(wanted[-1]) and not is_wide(code):
                wanted.append(SPACE)
            space = False
            wanted.append(code)
    data = np.frombuffer(text.encode() + b"\0", np.uint8)
    codes, borders = np.zeros(len(data) + 16, np.uint64), np.zeros(3, np.int64)
    starts, ends = np.zeros(1, np.int64), np.full(1, len(data) - 1)
    size, _ = fold(data, starts, ends, 0, 1, *tables(), codes, borders)
    assert codes[:size].tolist() == wanted


@settings(deadline=None, max_examples=300)
@given(mixed, mixed)
def test_texts_with_equal_comparison_keys_have_equal_letters(one, other):
    def letters(text):
        return [code for character in text if ord(character) < 0x20000 for code in letters_of(ord(character))]

    if comparison_key(one) == comparison_key(other):
        assert letters(one) == letters(other)
    assert letters(comparison_key(one)) == letters(one)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text(st.sampled_from("热通道 RAIDraid５5.,，。é½²"), max_size=5), max_size=12))
def test_exact_copies_are_the_same_with_and_without_compiled_loops(texts):
    rows = [said(str(i), text) for i, text in enumerate(texts)]
    slow = run_step(Dedup(), rows)
    before, exact.MANY = exact.MANY, -1
    try:
        assert run_step(Dedup(), rows) == slow
    finally:
        exact.MANY = before


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=120), st.text(max_size=120))
def test_what_two_texts_have_in_common_at_their_ends_is_left_out(one, other, around):
    left, right = unlike(around + one + around, around + other + around)
    assert (left == right) == (one == other)
    assert left in around + one + around
    assert right in around + other + around


NUMERIC = [
    "5万",
    "8万",
    "5",
    "五",
    "十五",
    "第三条",
    "第5条",
    "第三条第二款",
    "three",
    "eleven",
    "half",
    "3.5%",
    "百分之五",
    "½",
    "1,200",
    "1200",
    "12:30",
    "2024年5月1日",
    "-5",
    "5mg",
    "5g",
    "5kg",
    "5千克",
    "5公斤",
    "5米",
    "5平方米",
    "5℃",
    "5°C",
    "1e5",
    "１２",
    "两台",
    "一个",
    "三个",
    "半年",
    "十分",
    "5元/人",
    "5元",
    "5mmol/L",
    "5km/h",
    "5km",
    "5cm",
    "三分之一",
    "2³",
    "千瓦",
    "万元",
    "USD",
    "的",
    "和",
    "x",
]
NUMERIC += ["May 3", "3 May 2024", "5 kilometers", "5 kilograms", "5 hours", "5 minutes", "two hundred", "one third"]


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.sampled_from(NUMERIC), min_size=1, max_size=5),
    st.integers(0, 4),
    st.sampled_from(NUMERIC),
    st.sampled_from(["", " ", "，", "还有"]),
)
def test_texts_with_other_numbers_never_look_as_if_they_had_the_same(one, place, instead, joint):
    from sftmill.steps.curate.dedup.kernels import fold, numbers_hash

    def look(text):
        data = np.frombuffer(text.encode() + b"\0", np.uint8)
        codes, borders = np.zeros(len(data) + 16, np.uint64), np.zeros(3, np.int64)
        size, _ = fold(data, np.zeros(1, np.int64), np.full(1, len(data) - 1), 0, 1, *tables(), codes, borders)
        return numbers_hash(codes, size)

    other = list(one)
    other[place % len(other)] = instead
    texts = ["甲" + joint.join(part) + "乙" for part in (one, other)]
    if numbers_differ(*([text] for text in texts)):
        assert look(texts[0]) != look(texts[1])


class Desk:
    def __init__(self, output):
        self.output = output


def test_copies_are_written_side_by_side_for_a_person_to_look_at(tmp_path):
    text = "请解释企业所得税汇算清缴的流程，并说明小型微利企业可以享受哪些优惠政策，并举例。"
    rows = [said("a", text), said("b", text + "谢谢"), said("c", "完全不同的另一个问题是什么？"), said("d", text)]
    run_step(NEAR, rows, Desk(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "near_duplicates.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == 1
    assert lines[0]["kept"] == {"id": "a", "text": text}
    assert lines[0]["rows"] == 3
    assert [copy["id"] for copy in lines[0]["copies"]] == ["b", "d"]
    assert lines[0]["copies"][1]["similarity"] == 1
    run_step(Dedup(), rows, Desk(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_plan_says_what_is_missing_and_what_means_nothing(monkeypatch):
    monkeypatch.setattr(dedup_module, "find_spec", lambda name: None)
    assert "pip install 'sftmill[scale]'" in NEAR.problems()[0]
    assert not Dedup().problems()
    assert "threshold" in Dedup(threshold=0.9).problems()[0]
    assert Dedup().roles() == ()
    assert Dedup(how="near").roles() == ()
    assert Dedup(how="semantic").roles() == ("embedder",)
