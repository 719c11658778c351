import asyncio

import pytest

from sftmill.steps.ingest.citations import Citations
from sftmill.steps.ingest.split import Split


class Rows:
    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def rows(self):
        return iter(self._rows)


def through(sections, **settings):
    async def gather():
        return [row async for row in Citations(**settings).run({"rows": Rows(sections)}, None)]

    return asyncio.run(gather())


def section(text, source="law.md", **more):
    return {
        "document": text,
        "root": source,
        "source": source,
        "lang": "zh",
        "title": "灯塔法",
        "title_path": [],
        **more,
    }


LAW = [
    section("第一章 总则\n\n第一条 灯塔每夜点亮。\n\n第二条 灯塔应当上锁：\n\n（一）正门；\n\n（二）后门。"),
    section("第二章 看守\n\n第三条 前条规定的钥匙，由看守人保管。\n\n第四条 看守人不得饮酒。"),
    section("第三章 罚则\n\n第五条 违反本法第一条、第二条第二项和第四条的，处罚款。违反《港口法》第三条的，从其规定。"),
]


def test_articles_of_other_chapters_come_along():
    contexts = [row.get("context") for row in through(LAW)]
    assert contexts[0] is None
    assert contexts[1] == "第二条 灯塔应当上锁：\n\n（一）正门；\n\n（二）后门。"
    assert contexts[2] == f"第一条 灯塔每夜点亮。\n\n{contexts[1]}\n\n第四条 看守人不得饮酒。"


def test_split_leaves_each_passage_what_it_cites():
    rows = through([LAW[0], LAW[2]])
    (made,) = Split(minimum=5).row(rows[1])
    assert made["context"] == "第一条 灯塔每夜点亮。\n\n第二条 灯塔应当上锁：\n\n（二）后门。"


def test_two_laws_of_one_file_are_told_apart():
    other = section("第一条 港口每日开放。\n\n第二条 违反第一条的，关闭。", title_path=["港口法"])
    last = section("第三条 第一条规定的时间，由港口公告。", title_path=["港口法"])
    contexts = [row.get("context") for row in through([*LAW, other, last])]
    assert contexts[3] is None and contexts[4] == "第一条 港口每日开放。"


def test_another_document_is_another_law():
    assert through([LAW[0], section("第三条 依照第一条处罚。", source="other.md")])[1].get("context") is None


def test_rows_pass_in_their_order_with_all_they_had():
    sections = [*LAW, section("没有条文的一段话。", source="a.md"), section(None, source="b.md")]
    made = through(sections)
    assert [{k: v for k, v in row.items() if k != "context"} for row in made] == sections


@pytest.mark.parametrize(("limit", "kept"), [(0, None), (12, "第一条 灯塔每夜点亮。"), (10_000, None)])
def test_the_context_is_limited(limit, kept):
    context = through(LAW, limit=limit)[2].get("context")
    assert context == kept if limit < 100 else "第四条" in context


def test_english_articles_are_found_across_chapters():
    sections = [
        section("CHAPTER I\n\nArticle 1\n\nThe lamp shall be lit.", lang="en", title="Lighthouse Act"),
        section("CHAPTER II\n\nArticle 2\n\nWho breaks Article 1 shall pay.", lang="en", title="Lighthouse Act"),
    ]
    assert through(sections)[1]["context"] == "Article 1\n\nThe lamp shall be lit."
