import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.ingest.parse_html import declared_charset, parse_html
from sftmill.steps.ingest.parse_markdown import parse_markdown
from sftmill.steps.ingest.parse_text import parse_text
from sftmill.steps.ingest.sections import Block, gather, join_lines


def paths(blocks):
    return [(section.title_path, section.text) for section in gather(blocks)]


LONG = (
    "公司应当依照法律、行政法规和国务院财政部门的规定建立本公司的财务、会计制度，并依"
    "法经会计师事务所审计，审计报告应当保存十年以上。"
)


def test_chapters_and_sections_of_a_law_become_the_title_path():
    text = f"某某法\n\n第一章 总则\n\n第一条 {LONG}\n\n第二章 公司\n\n第一节 设立\n\n第二条 {LONG}\n"
    assert paths(parse_text(text)) == [
        (("某某法", "第一章 总则"), f"某某法\n\n第一章 总则\n\n第一条 {LONG}"),
        (("某某法", "第二章 公司", "第一节 设立"), f"第二章 公司\n\n第一节 设立\n\n第二条 {LONG}"),
    ]


def test_a_second_law_in_the_same_file_starts_a_new_path():
    text = "".join(
        f"{law}\n\n2020年1月1日 施行\n\n第一章 总则\n\n第一条 {LONG}\n\n第二章 附则\n\n第九条 {LONG}\n\n"
        for law in ("甲法", "乙法")
    )
    assert [p for p, _ in paths(parse_text(text))] == [
        ("甲法", "第一章 总则"),
        ("甲法", "第二章 附则"),
        ("乙法", "第一章 总则"),
        ("乙法", "第二章 附则"),
    ]


def test_short_first_lines_of_paragraphs_are_headings_and_lines_stay_lines():
    text = f"甲药\n剂型:片剂：0.2g\n用法:{LONG}\n\n乙药\n剂型:水剂\n用法:{LONG}\n"
    assert paths(parse_text(text)) == [
        (("甲药",), f"甲药\n\n剂型:片剂：0.2g\n用法:{LONG}"),
        (("乙药",), f"乙药\n\n剂型:水剂\n用法:{LONG}"),
    ]


def test_hard_wrapped_lines_are_joined_in_chinese_and_english():
    chinese = (LONG * 12)[:600]
    wrapped = "\n".join(chinese[i : i + 30] for i in range(0, 600, 30))
    assert [b.text for b in parse_text(wrapped)] == [chinese]
    words = [
        "the",
        "administrator",
        "configures",
        "every",
        "package",
        "with",
        "care",
        "and",
        "reads",
        "the",
        "manual",
        "before",
        "anything",
        "else",
        "is",
        "done",
    ]
    lines, line = [], ""
    for word in words * 12:
        if len(line) + len(word) > 70:
            lines, line = [*lines, line.strip()], ""
        line += word + " "
    (block,) = parse_text("\n".join([*lines, line.strip() + "."]))
    assert block.text == " ".join(words * 12) + "."


def test_a_numbered_heading_inside_of_wrapped_text_stands_alone():
    wrapped = [LONG[i : i + 30] for i in range(0, 60, 30)]
    lines = [*wrapped, LONG[-6:], "1.2 退出", *wrapped, LONG[-6:], *wrapped * 4]
    assert Block("1.2 退出", 6) in parse_text("\n".join(lines))


def test_joining_mends_hyphens_and_puts_spaces_only_where_they_belong():
    assert join_lines(["an exam-", "ple of", "text"]) == "an example of text"
    assert join_lines(["中文一", "中文二", "APT"]) == "中文一中文二 APT"


def test_underlines_numbers_and_hashes_make_headings():
    levels = [
        (b.text, b.level > 0) for b in parse_text(f"Title\n=====\n\n{LONG}\n\n1.2 Scope\n\n{LONG}\n\n## Notes\n{LONG}")
    ]
    assert [t for t, heading in levels if heading] == ["Title", "1.2 Scope", "Notes"]


def test_a_table_of_contents_is_a_section_of_its_own():
    contents = "\n".join(f"第{c}章 标题{c} ........ {i}" for i, c in enumerate("一二三四五", 1))
    sections = paths(parse_text(f"{LONG}\n\n{contents}\n\n{LONG}"))
    assert [text for _, text in sections] == [LONG, contents, LONG]


def test_markdown_keeps_tables_lists_and_code_and_sheds_marks():
    title, blocks = parse_markdown(
        "---\ntitle: 手册\n---\n# 安装\n\n**先** 运行 [脚本](http://x.y)，\n再 `重启`。\n\n"
        "| 名 | 值 |\n|---|---|\n| a | 1 |\n\n1. 一\n2. 二\n   - 三\n\n```sh\napt update\n\napt upgrade\n```\n"
    )
    assert title == "手册"
    assert blocks == [
        Block("安装", 1),
        Block("先 运行 脚本，再 `重启`。"),
        Block("名 | 值\na | 1"),
        Block("1. 一\n2. 二\n  - 三"),
        Block("```sh\napt update\n\napt upgrade\n```"),
    ]


def test_html_gives_headings_tables_lists_and_code_without_furniture():
    page = """<html><head><title> 手 册 </title><style>p{}</style></head><body><nav>首页</nav>
    <div id="banner">横幅</div><p><a href="/">Download</a></p><h1>第一章 <b>安装</b></h1>
    <p>第一
    句。<br>第二句。</p><script>bad()</script><ul><li>甲</li><li>乙 <i>丙</i></li></ul>
    <table><tr><th>名</th><th>值</th></tr><tr><td>a</td><td><p>1</p></td></tr></table>
    <pre>apt  update
  apt upgrade</pre><div class="docnav">下一页</div><footer>版权</footer></body></html>"""
    assert parse_html(page) == (
        "手 册",
        [
            Block("第一章 安装", 1),
            Block("第一句。\n第二句。"),
            Block("- 甲\n- 乙 丙"),
            Block("名 | 值\na | 1"),
            Block("```\napt  update\n  apt upgrade\n```"),
        ],
    )


def test_layout_tables_and_notes_with_icons_are_read_as_text():
    _, blocks = parse_html("<table><tr><td><h2>题</h2><p>甲。</p></td><td><p>乙。</p></td></tr></table>")
    assert blocks == [Block("题", 2), Block("甲。"), Block("乙。")]
    _, blocks = parse_html("<table><tr><td><img></td><th>提示</th></tr><tr><td>当心。</td></tr></table>")
    assert blocks == [Block("提示\n当心。")]


@pytest.mark.parametrize(
    "piece", ["<div>", "<table><tr><td>", "<ul><li>x", "<b>", "<h1>", "<blockquote><p>", "<!--", "<a"]
)
def test_deep_and_broken_pages_are_only_pages(piece):
    began = time.process_time()
    parse_html(piece * 50_000 + "深处")
    assert time.process_time() - began < 10


def test_what_is_nested_too_deep_is_kept():
    assert parse_html("<div>" * 50_000 + "深处" + "</div>" * 50_000)[1] == [Block("深处")]


def test_a_large_page_is_read_in_time_that_grows_with_its_length():
    page = "<h2>题</h2><p>一段<b>文字</b>，" * 20_000
    began = time.process_time()
    assert len(parse_html(page)[1]) == 40_000
    assert time.process_time() - began < 10


def test_the_charset_is_read_from_meta_and_xml_declaration():
    assert declared_charset(b'<meta http-equiv="Content-Type" content="text/html; charset=gb2312">') == "gb2312"
    assert declared_charset(b'<?xml version="1.0" encoding="Big5"?>') == "Big5"
    assert declared_charset(b"<p>charset=x</p>") is None


lines = st.lists(
    st.sampled_from(
        [
            "第一章 总则",
            "标题",
            "",
            "第一条 内容。",
            LONG,
            LONG[:20],
            "1.2 Scope",
            "====",
            "a ... 3",
            "- x",
            "甲\t乙",
            "Word word.",
        ]
    ),
    max_size=30,
)


@given(lines)
def test_no_visible_character_of_a_plain_text_is_lost(drawn):
    text = "\n".join(line for line in drawn if line != "====")
    gathered = "".join(section.text for section in gather(parse_text(text)))
    assert "".join(gathered.split()) == "".join(text.split())


@given(st.text("#*-`>|[]()<&;_ \n甲a1.!=~\\", max_size=80))
def test_any_markdown_is_parsed(text):
    gather(parse_markdown(text)[1])


@given(st.text("<>/=\"'! divtablerph123\n甲", max_size=120))
def test_any_html_is_parsed(text):
    gather(parse_html(text)[1])
