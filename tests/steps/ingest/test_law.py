import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.ingest.law import articles, number_of
from sftmill.steps.ingest.law_context import LawText, as_context, titles_of
from sftmill.steps.ingest.law_references import Place, Target, references

LAW = """第一章 总则

第一条 为了管理灯塔，制定本法。

第二条 灯塔分为下列两类：

（一）海上灯塔；

（二）湖上灯塔：

1．大湖的；

2．小湖的。

前款第二项所称小湖，面积不满十平方公里。

第三条 灯塔每夜点亮。违反前条第二款规定的，处一千元罚款。

第二章 看守

第四条 看守人应当年满二十周岁。

第四条之一 看守人不得饮酒。

第五条 依照第二条第一款第一项和第四条的规定任命。"""

ENGLISH = """Article 1
Subject matter

This Regulation concerns lighthouses.

Article 2
Duties of the keeper

1. The keeper shall light the lamp, as laid down in paragraph 2.

2. The keeper shall not:

(a) sleep at night;

(b) leave the tower, unless Article 3(1) applies.

Article 3 Leave

1. The keeper may leave in the cases of Article 2(2)(b).

2. Articles 1 to 2 apply. The preceding paragraph holds in summer."""


def outline(text):
    return [(a.number, [(c.number, [i.number for i in c.items]) for c in a.clauses]) for a in articles(text)]


def refers(text, place=None, titles=()):
    found = references(text, place or Place((10, 0), 3, None, ((9, 0), (8, 0)), (2,)), titles)
    return [target for reference in found for target in reference.targets]


def test_articles_have_paragraphs_and_these_have_items():
    assert outline(LAW) == [
        ((1, 0), [(1, [])]),
        ((2, 0), [(1, [1, 2]), (2, [])]),
        ((3, 0), [(1, [])]),
        ((4, 0), [(1, [])]),
        ((4, 1), [(1, [])]),
        ((5, 0), [(1, [])]),
    ]
    second = articles(LAW)[1]
    assert LAW[second.clauses[0].items[1].start : second.clauses[0].items[1].end].endswith("小湖的。")


def test_english_articles_have_titles_numbered_paragraphs_and_points():
    assert outline(ENGLISH) == [
        ((1, 0), [(1, [])]),
        ((2, 0), [(1, []), (2, [1, 2])]),
        ((3, 0), [(1, []), (2, [])]),
    ]


def test_lines_without_blank_lines_between_are_articles_too():
    assert outline("第一条 甲。\n第二条 乙：\n（一）丙；\n（二）丁。\n戊。\n第三条 己。") == [
        ((1, 0), [(1, [])]),
        ((2, 0), [(1, [1, 2]), (2, [])]),
        ((3, 0), [(1, [])]),
    ]


def test_marks_of_another_kind_belong_to_the_item_above():
    text = "第一条 分为：\n（一）甲：\n①大；\n②小；\n（二）乙：\n1．大；\n2．小。\n以上另行规定。"
    assert outline(text) == [((1, 0), [(1, [1, 2]), (2, [])])]
    english = "Article 1 Kinds\n1. These are:\n(a) large:\n(i) high;\n(ii) wide;\n(b) small.\n2. Or others."
    assert outline(english) == [((1, 0), [(1, [1, 2]), (2, [])])]
    letters = "Article 1\nThese are:\n" + "\n".join(f"({c}) one;" for c in "abcdefghij")
    assert outline(letters) == [((1, 0), [(1, list(range(1, 11)))])]
    roman = "Article 1\nThese are:\n" + "\n".join(f"({c}) one;" for c in ("i", "ii", "iii", "iv", "v", "ix"))
    assert outline(roman) == [((1, 0), [(1, [1, 2, 3, 4, 5, 9])])]


@pytest.mark.parametrize(
    "line",
    ["第五条规定的情形，从其规定。", "第五条、第六条适用。", "Article 5 of the Act applies.", "Section 3.2 below"],
)
def test_a_sentence_that_begins_with_a_citation_is_no_article(line):
    assert articles(f"前言。\n\n{line}\n\n后文。") == []


def test_numbers_that_begin_anew_begin_another_law():
    assert [a.law for a in articles("第一条 甲。\n\n第二条 乙。\n\n第一条 丙。\n\n第二条 丁。")] == [0, 0, 1, 1]


def test_numbers_are_read_in_both_scripts():
    assert number_of("一百二十", "一") == (120, 1) and number_of("12") == (12, 0) and number_of("5", "a") == (5, 1)
    assert number_of("十十") is None and number_of("0") is None


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("依照前款规定", [((10, 0), 2, None)]),
        ("依照前两款的规定", [((10, 0), 1, None), ((10, 0), 2, None)]),
        ("有前条规定的情形", [((9, 0), None, None)]),
        ("依照前条第二款", [((9, 0), 2, None)]),
        ("本条第一款所列", [((10, 0), 1, None)]),
        ("违反本法第三十五条的", [((35, 0), None, None)]),
        ("违反本条例第三条第二款第（四）项", [((3, 0), 2, 4)]),
        ("本法第三条、第五条第一款", [((3, 0), None, None), ((5, 0), 1, None)]),
        ("依照第三条至第五条的规定", [((3, 0), None, None), ((4, 0), None, None), ((5, 0), None, None)]),
        ("第三条第二款至第四款", [((3, 0), 2, None), ((3, 0), 3, None), ((3, 0), 4, None)]),
        ("前款第一项、第三项", [((10, 0), 2, 1), ((10, 0), 2, 3)]),
        ("属于第三项情形的", [((10, 0), 2, 3)]),
        ("第一百二十条之一规定", [((120, 1), None, None)]),
        ("《灯塔法》第三条规定，本法第四条另有规定的除外", [((4, 0), None, None)]),
        ("适用中华人民共和国灯塔法第三条", []),
        ("《灯塔法》（以下简称灯法）第三条、第四条", []),
        ("《灯塔法》第三条规定的情形或者第四条规定的情形", []),
        ("该法第三条", []),
        ("提前款项和前条件，目前项目", []),
        ("本法第三、五条", [((3, 0), None, None), ((5, 0), None, None)]),
        ("第三至五条", [((3, 0), None, None), ((4, 0), None, None), ((5, 0), None, None)]),
        ("第三条第（一）、（三）项", [((3, 0), None, 1), ((3, 0), None, 3)]),
        ("第三条第一、二款", [((3, 0), 1, None), ((3, 0), 2, None)]),
        ("前款第（一）至（三）项", [((10, 0), 2, 1), ((10, 0), 2, 2), ((10, 0), 2, 3)]),
        ("第三条至第四条第一款", [((3, 0), None, None), ((4, 0), 1, None)]),
        ("《关于修改〈灯塔法〉的决定》（第五号）第三条", []),
        ("依照第五十条的规定", [((50, 0), None, None)]),
    ],
)
def test_chinese_references_are_read(text, targets):
    assert refers(text) == [Target(*target) for target in targets]


def test_a_law_may_name_itself():
    assert refers("《灯塔法》第三条", titles=["中华人民共和国灯塔法"]) == [Target((3, 0))]
    assert refers("灯塔法第三条", titles=["中华人民共和国灯塔法"]) == [Target((3, 0))]


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("under Article 5(2)", [((5, 0), 2, None)]),
        ("under Article 5(2)(b)", [((5, 0), 2, 2)]),
        ("Articles 3 to 5", [((3, 0), None, None), ((4, 0), None, None), ((5, 0), None, None)]),
        ("Articles 3, 5 and 7 apply", [((3, 0), None, None), ((5, 0), None, None), ((7, 0), None, None)]),
        ("paragraph 1 of this Article", [((10, 0), 1, None)]),
        ("paragraphs 1 and 2", [((10, 0), 1, None), ((10, 0), 2, None)]),
        ("point (c) of paragraph 2", [((10, 0), 2, 3)]),
        ("paragraph 2 of Article 6", [((6, 0), 2, None)]),
        ("Article 6, paragraph 2", [((6, 0), 2, None)]),
        ("the preceding paragraph", [((10, 0), 2, None)]),
        ("the preceding Article", [((9, 0), None, None)]),
        ("section 12(3)", [((12, 0), 3, None)]),
        ("Section 12(b)(1)", [((12, 0), None, 2)]),
        ("Article 6(1), point (e)", [((6, 0), 1, 5)]),
        ("Article 5 of this Regulation", [((5, 0), None, None)]),
        ("Article 5 of the Paris Convention", []),
        ("Article 5 of Directive 2000/1", []),
        ("Article 16 TFEU", []),
        ("paragraph 2 of Article 6 of the Treaty", []),
    ],
)
def test_english_references_are_read(text, targets):
    assert refers(text) == [Target(*target) for target in targets]


def cited_by(text, piece, limit=1000, lang="zh", **options):
    start = text.index(piece)
    return as_context(LawText(text, **options).cited([(start, start + len(piece))]).wanted, limit, lang)


def test_what_is_cited_comes_along_and_no_more():
    last = "第五条 依照第二条第一款第一项和第四条的规定任命。"
    assert cited_by(LAW, last) == "第二条 灯塔分为下列两类：\n\n（一）海上灯塔；\n\n第四条 看守人应当年满二十周岁。"
    third = "第三条 灯塔每夜点亮。违反前条第二款规定的，处一千元罚款。"
    assert cited_by(LAW, third) == "第二条第二款 前款第二项所称小湖，面积不满十平方公里。"


def test_what_the_passage_holds_itself_does_not_come_along():
    assert cited_by(LAW, LAW[LAW.index("第二条") : LAW.index("第三条")]) == ""


def test_the_context_has_whole_paragraphs_within_its_limit():
    last = "第五条 依照第二条第一款第一项和第四条的规定任命。"
    assert cited_by(LAW, last, limit=25) == "第二条 灯塔分为下列两类：\n\n（一）海上灯塔；"
    assert cited_by(LAW, last, limit=5) == ""


def test_english_citations_come_along():
    leave = "1. The keeper may leave in the cases of Article 2(2)(b)."
    context = "Article 2(2) The keeper shall not:\n\n(b) leave the tower, unless Article 3(1) applies."
    assert cited_by(ENGLISH, leave, lang="en") == context


def test_articles_of_another_text_are_found_where_they_are_given():
    other = "第九条 灯塔应当上锁。"
    here = "第二十条 违反第九条的，处罚款。违反第十条的，没收。"
    law = LawText(here, elsewhere={(9, 0): (other, articles(other)[0])})
    found = law.cited([(0, len(here))])
    assert (found.total, found.resolved) == (2, 1)
    assert as_context(found.wanted, 100, "zh") == other


def test_a_law_is_named_by_its_heading_or_else_by_its_document():
    assert titles_of({"title": "法规汇编", "title_path": ["中华人民共和国灯塔法", "第一章"]}) == [
        "中华人民共和国灯塔法"
    ]
    assert titles_of({"title": "灯塔法", "title_path": ["总则"]}) == ["灯塔法"]


@given(st.text(alphabet="第一二十5条款项前本法之、至和《》（）(a)。；\n Articleparagraph of", max_size=300))
def test_any_text_is_read_without_error(text):
    for article in articles(text):
        assert 0 <= article.start <= article.body <= article.end <= len(text) or article.body == article.end + 1
    LawText(text).cited([(0, len(text))])


@pytest.mark.parametrize(
    "piece",
    ["第一条 ", "第一条\n", "前款", "本法第二条、", "《", "Article 5 ", "Article 5\n", "paragraph 1 ", "（一）甲\n"],
)
def test_time_grows_with_the_length_only(piece):
    began = time.process_time()
    text = "第一条 总则。\n" + piece * (100_000 // len(piece))
    LawText(text).cited([(0, len(text))])
    assert time.process_time() - began < 10
