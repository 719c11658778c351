import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.ingest.formats import read
from sftmill.steps.ingest.parse_html import parse_html
from sftmill.steps.ingest.parse_pdf import parse_pdf
from sftmill.text import sentences
from tiny_pdf import TinyPage, tiny_pdf

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
ZH = [
    "机房的空调系统应当保持全年不间断运行，室内温度控制在二十二度到二",
    "十四度之间，相对湿度控制在百分之四十到百分之五十五之间，任何一项",
    "超出范围时，值班人员应当在十分钟内到场检查并填写记录。",
]
EN = [
    "The cooling system of the server room runs all year round; the temp-",
    "erature stays between 22 and 24 degrees, the relative humidity between",
    "40 and 55 percent, and the person on duty checks both every hour.",
]


def texts(data):
    return [block.text for block in parse_pdf(data).blocks]


def levels(data):
    return [(block.level, block.text, block.page) for block in parse_pdf(data).blocks if block.level]


def test_lines_become_paragraphs_in_chinese_and_english():
    pdf = tiny_pdf([TinyPage().lines(60, 700, ZH).lines(60, 600, EN)])
    assert texts(pdf) == ["".join(ZH), EN[0].removesuffix("-") + EN[1] + " " + EN[2]]


def test_an_indented_line_begins_a_paragraph_though_the_one_before_is_full():
    full = ["值班人员每两小时巡检一次配电柜并记录电流读数超过额定值八成须上报。", "备用发电机每周一试机。"]
    pdf = tiny_pdf([TinyPage().text(80, 700, ZH[0][:-2]).lines(60, 686, full[:1]).text(80, 672, ZH[1][:-2])])
    assert texts(pdf) == [ZH[0][:-2] + full[0], ZH[1][:-2]]


def test_a_paragraph_goes_on_over_the_page_and_heads_and_page_numbers_are_left_out():
    pages = []
    for number in range(4):
        page = TinyPage().text(60, 800, "机房运行手册").text(290, 30, f"- {number + 1} -")
        page.lines(60, 770, [f"第{'一二三四'[number]}段的正文说明了本页的要求。"]).lines(60, 200, ZH[:2])
        pages.append(page)
        pages.append(
            TinyPage().text(60, 800, f"机房运行手册 {number}").text(290, 30, f"第 {number} 页").lines(60, 700, [ZH[2]])
        )
    found = texts(tiny_pdf(pages))
    assert "".join(ZH) in found
    assert not any("手册" in text or re.search(r"- \d -|第 \d 页", text) for text in found)


def test_a_chapter_name_that_stands_where_the_heads_stand_is_a_head():
    chapters = ["总则", "总则", "总则", "配电", "配电", "配电", "消防"]
    pages = [TinyPage().text(60, 800, name).lines(60, 740, ZH) for name in chapters]
    assert not set(texts(tiny_pdf(pages))) & set(chapters)


def test_numbers_in_the_text_are_no_page_numbers():
    page = TinyPage().lines(60, 700, ["2024", *ZH[2:]])
    assert "2024" in "".join(texts(tiny_pdf([page])))


def test_titles_come_from_the_outline_with_their_pages():
    pages = [
        TinyPage().text(60, 740, "1 总则", 10).lines(60, 700, ZH),
        TinyPage().text(60, 740, "1.1 适用范围", 10).lines(60, 700, ZH),
    ]
    pdf = tiny_pdf(pages, outline=[("总则", 0, 755), ("适用范围", 1, 755)], title="机房手册")
    assert levels(pdf) == [(1, "1 总则", 1), (1, "1.1 适用范围", 2)]
    found = read(pdf, "x.pdf")
    assert found.title == "机房手册"
    assert [(s.title_path, s.page) for s in found.sections] == [(("1 总则",), 1), (("1.1 适用范围",), 2)]


def test_the_line_that_numbers_a_title_belongs_to_it():
    page = TinyPage().text(60, 760, "第一章", 16).text(60, 730, "总则", 20).lines(60, 690, ZH)
    assert levels(tiny_pdf([page], outline=[("总则", 0, 755)])) == [(1, "第一章总则", 1)]


def test_a_title_of_the_outline_that_is_no_text_still_heads_its_section():
    pdf = tiny_pdf([TinyPage().lines(60, 700, ZH)], outline=[("封面图片里的标题", 0, 800)])
    assert levels(pdf) == [(1, "封面图片里的标题", 1)]


def test_larger_letters_are_titles_without_an_outline():
    page = TinyPage().text(200, 760, "机房管理规定", 20).text(60, 720, "一般要求", 14).lines(60, 690, ZH)
    page.text(60, 620, "Power supply", 14).lines(60, 590, EN)
    assert levels(tiny_pdf([page])) == [(1, "机房管理规定", 1), (2, "一般要求", 1), (2, "Power supply", 1)]


def test_two_columns_are_read_one_after_the_other_though_written_row_by_row():
    left = [f"左栏第{n}行说明空调设备的日常维护要求与记录" for n in "一二三四五六七八九"]
    right = [f"右栏第{n}行说明配电设备的定期检查要求与记录" for n in "一二三四五六七八九"]
    page = TinyPage().text(60, 760, "跨越两栏的说明文字写在最上面一行并且一直延伸到页面的右边为止，再没有别的")
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        page.text(60, 700 - 14 * number, a).text(310, 700 - 14 * number, b)
    whole = "".join(texts(tiny_pdf([page])))
    assert whole.index("跨越") < whole.index(left[0]) < whole.index(left[8]) < whole.index(right[0])
    assert "".join(right) in whole


def test_a_table_with_rules_becomes_a_pipe_table_with_wrapped_cells_and_its_caption_above():
    page = TinyPage().lines(60, 760, ZH).grid([60, 160, 300], [680, 660, 630, 610])
    page.text(65, 666, "项目").text(165, 666, "要求")
    page.text(65, 640, "温度").text(165, 648, "二十二度到").text(165, 635, "二十四度")
    page.text(65, 616, "湿度").text(165, 616, "40|55").text(60, 590, "表 1 环境要求")
    found = texts(tiny_pdf([page]))
    assert found[1:] == [
        "表 1 环境要求",
        "| 项目 | 要求 |\n| --- | --- |\n| 温度 | 二十二度到二十四度 |\n| 湿度 | 40\\|55 |",
    ]


def test_a_sentence_that_begins_with_the_number_of_a_table_is_no_caption():
    lines = [ZH[0], "表 1 所列的各项要求由值班人员逐项核对，核对的结果填入记录表并由", "主管签字。"]
    assert texts(tiny_pdf([TinyPage().lines(60, 700, lines)])) == ["".join(lines)]


def test_contents_are_kept_apart_as_lines():
    page = TinyPage().text(60, 740, "1 总则").text(500, 740, "3")
    for number in range(4):
        page.text(80, 720 - 20 * number, f"1.{number} 要求 {'. ' * 30}{number + 3}")
    first, *_ = texts(tiny_pdf([page]))
    assert first.startswith("1 总则\t3\n1.0 要求 . .") and first.count("\n") == 4


def test_a_paragraph_of_a_thousand_numbered_lines_is_read_whole():
    line = "设备运行记录应当逐日填写并由当班人员签字确认后交资料室统一归档保存"
    pages = [TinyPage().lines(60, 760, [f"{n:02d}{k:02d}{line}" for k in range(40)]) for n in range(30)]
    found = "".join(texts(tiny_pdf(pages))).replace(" ", "")
    assert len(found) == 1200 * (len(line) + 4)  # lines that differ in a number of their own are no running heads


def test_a_ruled_table_goes_on_over_the_page():
    def page(y, rows):
        made = TinyPage().grid([60, 160, 300], [y - 20 * n for n in range(len(rows) + 1)])
        for number, (a, b) in enumerate(rows):
            made.text(65, y - 14 - 20 * number, a).text(165, y - 14 - 20 * number, b)
        return made

    head = ("名称", "数量")
    pdf = tiny_pdf([page(200, [head, ("风扇", "4")]), page(780, [head, ("硬盘", "8")])])
    assert texts(pdf) == ["| 名称 | 数量 |\n| --- | --- |\n| 风扇 | 4 |\n| 硬盘 | 8 |"]


def test_cells_without_rules_are_kept_apart():
    page = TinyPage().lines(60, 760, ZH)
    for number, (a, b) in enumerate([("项目", "数值"), ("温度上限", "24 度"), ("湿度上限", "55 %")]):
        page.text(60, 650 - 14 * number, a).text(260, 650 - 14 * number, b)
    assert texts(tiny_pdf([page]))[1] == "项目 | 数值\n温度上限 | 24 度\n湿度上限 | 55 %"


def test_items_of_a_list_stay_lines():
    items = ["• 检查电源指示灯", "• 检查风扇转速", "• 记录读数"]
    assert texts(tiny_pdf([TinyPage().lines(60, 700, [*ZH, *items])])) == ["".join(ZH), "\n".join(items)]


def test_a_footnote_does_not_part_the_paragraph_that_goes_on_over_the_page():
    first = TinyPage().lines(60, 700, ["本页开头的一段话。"]).lines(60, 120, ZH[:2]).text(60, 60, "[1] 见附录。", 7)
    pdf = tiny_pdf([first, TinyPage().lines(60, 770, ZH[2:])])
    assert texts(pdf) == ["本页开头的一段话。", "".join(ZH), "[1] 见附录。"]


def test_ligatures_and_radical_code_points_become_usual_letters():
    pdf = tiny_pdf([TinyPage().text(60, 700, "e\ufb03cient \ufb01rm").text(60, 660, "\u2f08\u2f2f\u8d39\u7528")])
    assert texts(pdf) == ["efficient firm", "人工费用"]


def test_what_is_drawn_twice_is_read_once():
    page = TinyPage().text(60, 700, "加粗的一行文字").text(60.3, 700, "加粗的一行文字")
    assert texts(tiny_pdf([page])) == ["加粗的一行文字"]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_lies_on_its_side_is_read_like_any_other(turn):
    assert texts(tiny_pdf([TinyPage(rotate=turn).lines(60, 700, ZH)])) == ["".join(ZH)]
    assert texts(tiny_pdf([TinyPage(turn=turn - 0.1).lines(60, 500, ZH)])) == ["".join(ZH)]


def test_upright_chinese_columns_are_read_from_the_top_right():
    page = TinyPage()
    for column, line in enumerate(ZH):
        for number, letter in enumerate(line):
            page.text(400 - 20 * column, 800 - 11 * number, letter + " ")
    assert texts(tiny_pdf([page])) == ["".join(ZH)]


def test_a_slanted_watermark_is_no_text():
    assert texts(tiny_pdf([TinyPage().lines(60, 700, ZH), TinyPage(turn=45).text(200, 0, "仅供内部使用")])) == [
        "".join(ZH)
    ]


def test_scanned_pages_have_no_text_layer_and_the_way_out_is_named():
    page = TinyPage()
    page.picture = True
    with pytest.raises(Drop) as dropped:
        parse_pdf(tiny_pdf([page, page]))
    assert dropped.value.reason == "no_text_layer"
    assert dropped.value.facts["pages"] == 2 and "OCR" in dropped.value.facts["why"]


def test_pages_without_text_among_others_are_told():
    scanned, stamped = TinyPage(), TinyPage().text(500, 20, "扫描件 3")
    scanned.picture = stamped.picture = True
    found = parse_pdf(tiny_pdf([TinyPage().lines(60, 700, ZH), scanned, stamped, TinyPage()]))
    assert found.unread == [2, 3] and found.pages == 4 and found.blocks[0].text == "".join(ZH)


def test_a_blank_document_is_empty_not_scanned():
    assert parse_pdf(tiny_pdf([TinyPage()])) == ("", [], 1, [])


def test_letters_without_a_meaning_are_no_text_layer():
    with pytest.raises(Drop) as dropped:
        parse_pdf(tiny_pdf([TinyPage().lines(60, 700, ZH)], mapped=False))
    assert dropped.value.reason == "no_text_layer"


@given(st.binary(max_size=400), st.integers(0, 3000), st.binary(max_size=20))
@settings(max_examples=60)
def test_any_bytes_called_pdf_are_read_or_dropped(data, at, patch):
    good = bytearray(tiny_pdf([TinyPage().lines(60, 700, ZH)], outline=[("题", 0, 700)]))
    good[at : at + len(patch)] = patch
    for candidate in (data, b"%PDF-1.4\n" + data, bytes(good)):
        try:
            read(candidate, "x.pdf")
        except Drop as drop:
            assert drop.reason and drop.facts["why"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
def test_odd_pdfs_are_read_or_named_with_their_reason():
    outcomes = {}
    for path in sorted((SHARED / "formats/pdf").glob("*.pdf")):
        try:
            outcomes[path.stem] = len(read(path.read_bytes(), path.name).sections) > 0
        except Drop as drop:
            outcomes[path.stem] = drop.reason
    assert outcomes == {
        "bad_xref": True,
        "blank_page": False,
        "corrupt_bytes": True,
        "empty": False,
        "encrypted_owner_only": "encrypted",
        "encrypted_user_password": "encrypted",
        "header_only": "unreadable",
        "image_only": "no_text_layer",
        "ok_3pages": True,
        "text_renamed": "unreadable",
        "truncated": "unreadable",
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not here")
def test_nearly_every_sentence_of_a_books_html_is_in_its_pdf():
    folder = SHARED / "books/ops_zh_debian_reference"
    found = parse_pdf(next(folder.glob("*.pdf")).read_bytes())
    assert found.pages == 251 and not found.unread

    def bare(text):
        return re.sub(r"\[\d+\]|[\s“”‘’\"'`]", "", text).replace("…", "...")

    whole = bare("".join(block.text for block in found.blocks if not block.text.startswith("```")))
    total = hit = 0
    for path in sorted((folder / "html").glob("ch*.html")):
        for block in parse_html(path.read_text("utf-8"))[1]:
            if block.level or block.text.startswith("```") or " | " in block.text:
                continue
            for line in block.text.split("\n"):
                # the two editions number tables and name cross references differently
                line = re.sub(r"^\s*(?:- |\d+\. )|^表 [A-Z\d.]+ ", "", line)
                line = re.sub(r"(第\s*[\d.]+\s*节)\s*“[^“”]*(?:“[^”]*”[^“”]*)*”", r"\1", line)
                for start, end in sentences(line):
                    if len(sentence := bare(line[start:end])) >= 6:
                        total += len(sentence)
                        hit += len(sentence) * (sentence in whole)
    assert hit / total >= 0.965
