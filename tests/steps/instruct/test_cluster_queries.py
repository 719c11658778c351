"""Queries that ask the same are one; what is close but asks something else is not."""

import asyncio
import random

import numpy as np
import pytest

from sftmill.core import Dropped, question
from sftmill.steps.instruct.queries.cluster_queries import ClusterQueries
from sftmill.steps.instruct.queries.same_question import clearness, differs


class FakeShards:
    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def rows(self):
        return iter(self._rows)


class Desk:
    """Gives the vectors that a test names."""

    def __init__(self, vectors=None):
        self.given = vectors or {}
        self.asked = 0

    async def vectors(self, texts, *, to="embedder", as_passages=False):
        self.asked += len(texts)
        return np.array([self.given[text] for text in texts], np.float32)


def row(name, text, frequency=1, lang="zh"):
    return {"id": name, "messages": [{"role": "user", "content": text}], "lang": lang, "frequency": frequency}


def run(rows, desk=None, **options):
    async def collect():
        return [item async for item in ClusterQueries(**options).run({"rows": FakeShards(rows)}, desk or Desk())]

    items = asyncio.run(collect())
    kept = {item["id"]: item for item in items if not isinstance(item, Dropped)}
    lost = {i.row["id"]: (i.reason, i.facts.get("representative")) for i in items if isinstance(i, Dropped)}
    assert len(items) == len(rows)
    return kept, lost


def test_the_most_frequent_stands_for_all_that_ask_the_same_in_its_users_words():
    rows = [
        row("a", "信用卡逾期了应该怎么办呢", 2),
        row("b", "信用卡逾期了应该怎么办", 9),
        row("c", "公积金怎么提取", 3),
        row("d", "信用卡逾期了应该怎么办啊"),
    ]
    kept, lost = run(rows)
    assert list(kept) == ["b", "c"]
    assert question(kept["b"]) == "信用卡逾期了应该怎么办"
    assert (kept["b"]["frequency"], kept["b"]["cluster"], kept["b"]["method"]) == (12, "b", "queries")
    assert lost == {"a": ("same_question", "b"), "d": ("same_question", "b")}


def test_of_equally_frequent_ones_the_clearest_stays():
    long = "信用卡逾期怎么办" + "，我真的很着急" * 8
    kept, _ = run([row("long", long), row("clear", "信用卡逾期了怎么办，我真的很着急")], lexical=0.3)
    assert list(kept) == ["clear"]
    assert clearness("怎么办", "zh") > clearness("信用卡逾期怎么办", "zh") == 0
    assert clearness("fee?", "en") > clearness("what is the monthly fee?", "en") == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2023年个人所得税的起征点是多少", "2024年个人所得税的起征点是多少"),
        ("办了贷款之后可以提前还款吗", "办了贷款之后不可以提前还款吗"),
        ("怎样在 Windows 上安装数据库软件", "怎样在 Linux 上安装数据库软件"),
        ("三年期定期存款的利率是多少呢", "五年期定期存款的利率是多少呢"),
        ("how do I install version 2 of the tool", "how do I install version 3 of the tool"),
        ("can I repay the whole loan early", "can I not repay the whole loan early"),
    ],
)
def test_other_numbers_names_or_a_negation_make_another_question(one, other):
    lang = "en" if one.isascii() else "zh"
    kept, lost = run([row("a", one, lang=lang), row("b", other, lang=lang)], lexical=0.6)
    assert set(kept) == {"a", "b"} and not lost
    assert differs(one, other)


def test_asking_whether_or_not_is_no_negation():
    assert not differs("能不能提前还款", "可以提前还款吗")
    assert not differs("What is the fee?", "what's the fee")


def test_an_embedder_groups_what_has_other_words():
    near, far = [1.0, 0.1], [0.0, 1.0]
    vectors = {"密码忘了咋整": near, "如何找回登录密码": [1.0, 0.0], "怎么注销账户": far}
    desk = Desk(vectors)
    kept, lost = run([row(text, text, n) for n, text in enumerate(vectors, 1)], desk, to_embedder="embedder")
    assert set(kept) == {"如何找回登录密码", "怎么注销账户"}
    assert lost == {"密码忘了咋整": ("same_question", "如何找回登录密码")}
    assert desk.asked == 3
    assert kept["如何找回登录密码"]["frequency"] == 3


def test_languages_are_kept_apart():
    vectors = {"什么是通货膨胀": [1.0, 0.0], "what is inflation": [1.0, 0.0]}
    rows = [row("zh", "什么是通货膨胀"), row("en", "what is inflation", lang="en")]
    assert set(run(rows, Desk(vectors), to_embedder="embedder")[0]) == {"zh", "en"}


def test_rare_questions_and_rows_without_one_are_dropped_with_a_reason():
    rows = [row("a", "公积金怎么提取", 5), row("b", "怎样更换驾驶证"), {"id": "c", "messages": []}]
    kept, lost = run(rows, least=3)
    assert list(kept) == ["a"]
    assert lost == {"b": ("rare", None), "c": ("no_question", None)}


def test_a_stream_without_frequencies_counts_rows():
    rows = [
        {key: value for key, value in row(name, "公积金怎么提取出来").items() if key != "frequency"} for name in "ab"
    ]
    kept, _ = run(rows)
    assert kept["a"]["frequency"] == 2


def test_nothing_is_lost_and_the_same_rows_give_the_same_groups():
    chance = random.Random(4)
    parts = (
        ["信用卡", "房贷", "车险", "社保", "驾照", "护照"],
        ["怎么办理", "如何注销", "多少钱", "要多久"],
        ["", "呢", "啊", "？"],
    )
    rows = [row(str(n), "".join(map(chance.choice, parts)) + "谢谢", chance.randint(1, 9)) for n in range(300)]
    kept, lost = run(rows)
    again = run(rows)
    assert (kept, lost) == again
    assert sum(item["frequency"] for item in kept.values()) == sum(item["frequency"] for item in rows)
    assert all(representative in kept for _, representative in lost.values())
