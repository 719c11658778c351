import io
import zipfile

import docx
import pytest
from docx.oxml import parse_xml
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.core import Drop
from sftmill.steps.ingest.docx_numbers import chinese
from sftmill.steps.ingest.formats import read
from sftmill.steps.ingest.parse_docx import parse_docx
from sftmill.steps.ingest.sections import Block

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LONG = "机房的空调系统应当保持全年不间断运行，室内温度控制在二十二度到二十四度之间，值班人员每小时巡检一次。"


def saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def add(document, inner, properties=""):
    """Put a paragraph of raw XML before the section's properties."""
    body = document.element.body
    body.insert(len(body) - 1, parse_xml(f"<w:p {W}><w:pPr>{properties}</w:pPr>{inner}</w:p>"))


def run(text):
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def blocks(document):
    return parse_docx(saved(document))[1]


def test_headings_come_from_styles_of_english_and_chinese_names_and_from_outline_levels():
    document = docx.Document()
    document.add_heading("机房手册", 0)
    document.add_heading("总则", 1)
    style = document.styles.add_style("标题 2 ", 1)
    style.element.find(f"{{{W[9:-1]}}}name").set(f"{{{W[9:-1]}}}val", "标题 2")
    based = document.styles.add_style("own style", 1)
    based.base_style = style
    document.add_paragraph("一般要求", style)
    document.add_paragraph("特别要求", based)
    add(document, run("直接写出的级别"), '<w:outlineLvl w:val="3"/>')
    add(document, run(LONG), '<w:outlineLvl w:val="9"/>')
    assert blocks(document) == [
        Block("机房手册", 1),
        Block("总则", 1),
        Block("一般要求", 2),
        Block("特别要求", 2),
        Block("直接写出的级别", 4),
        Block(LONG),
    ]


def numbered(document, levels):
    """Define list 77 with (format, text) a level."""
    inner = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for n, (form, text) in enumerate(levels)
    )
    root = document.part.numbering_part.element
    root.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="77">{inner}</w:abstractNum>'))
    root.append(parse_xml(f'<w:num {W} w:numId="77"><w:abstractNumId w:val="77"/></w:num>'))


def item(document, text, level):
    add(document, run(text), f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="77"/></w:numPr>')


def test_numbers_that_word_only_shows_are_written_out():
    document = docx.Document()
    numbered(document, [("chineseCountingThousand", "第%1条"), ("decimal", "（%2）"), ("lowerLetter", "%1.%2.%3")])
    for text, level in [("空调", 0), ("温度", 1), ("湿度", 1), ("上限", 2), ("配电", 0), ("电流", 1)]:
        item(document, text, level)
    assert [block.text for block in blocks(document)] == [
        "第一条 空调",
        "  （1） 温度\n  （2） 湿度",
        "    一.2.a 上限",
        "第二条 配电",
        "  （1） 电流",
    ]


def test_items_with_bullets_are_one_list():
    document = docx.Document()
    for text in ("first", "second"):
        document.add_paragraph(text, "List Bullet")
    document.add_paragraph("one", "List Number")
    document.add_paragraph("two", "List Number")
    assert [block.text for block in blocks(document)] == ["- first\n- second\n1. one\n2. two"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "一"),
        (10, "十"),
        (12, "十二"),
        (20, "二十"),
        (105, "一百零五"),
        (110, "一百一十"),
        (1005, "一千零五"),
        (0, "零"),
    ],
)
def test_numbers_are_written_in_chinese(number, text):
    assert chinese(number) == text


def test_tables_become_pipe_tables_and_merged_cells_are_repeated_downwards():
    document = docx.Document()
    document.add_paragraph("表 1 巡检", "Caption")
    table = document.add_table(3, 3)
    for r, cells in enumerate([("类别", "项目", "周期"), ("空调", "滤网|风扇", "每月"), ("", "冷媒", "每年")]):
        for c, text in enumerate(cells):
            table.cell(r, c).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(1, 1).paragraphs[0].add_run("\n两项")
    assert [block.text for block in blocks(document)] == [
        "表 1 巡检",
        "| 类别 | 项目 | 周期 |\n| --- | --- | --- |\n| 空调 | 滤网\\|风扇两项 | 每月 |\n| 空调 | 冷媒 | 每年 |",
    ]


def test_a_table_of_one_cell_is_a_frame_around_text():
    document = docx.Document()
    document.add_table(1, 1).cell(0, 0).text = LONG
    assert blocks(document) == [Block(LONG)]


def test_deleted_text_is_left_out_and_inserted_text_taken():
    document = docx.Document()
    add(
        document,
        run("电流上限为")
        + f"<w:del><w:r><w:delText>八</w:delText></w:r></w:del><w:ins>{run('十')}</w:ins>"
        + run("安。"),
    )
    add(document, "<w:hyperlink><w:r><w:t>link text</w:t></w:r></w:hyperlink><w:r><w:tab/></w:r>" + run("after"))
    assert [block.text for block in blocks(document)] == ["电流上限为十安。", "link text\tafter"]


def test_footnotes_follow_their_paragraph():
    document = docx.Document()
    add(document, run("温度不得过高") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + run("。"))
    document.add_paragraph("下一段。")
    part = docx.opc.part.Part(
        docx.opc.packuri.PackURI("/word/footnotes.xml"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml",
        f'<w:footnotes {W}><w:footnote w:id="2"><w:p>{run("见附录二。")}</w:p></w:footnote></w:footnotes>'.encode(),
        document.part.package,
    )
    document.part.relate_to(part, "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes")
    assert [block.text for block in blocks(document)] == ["温度不得过高[1]。", "[1] 见附录二。", "下一段。"]


def test_the_title_is_that_of_the_properties_or_the_first_heading():
    document = docx.Document()
    document.add_heading("总则", 1)
    document.add_paragraph(LONG * 2)
    document.core_properties.title = ""
    assert read(saved(document), "a/手册.docx").title == "总则"
    document.core_properties.title = "机房手册"
    found = read(saved(document), "a/手册.docx")
    assert (found.title, found.sections[0].title_path) == ("机房手册", ("总则",))


def test_a_document_made_to_fill_the_memory_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", b"0" * (60 << 20))
    with pytest.raises(Drop) as dropped:
        read(out.getvalue(), "x.docx")
    assert dropped.value.reason == "unreadable"


@given(st.binary(max_size=300), st.integers(0, 40_000), st.binary(max_size=40))
@settings(max_examples=40)
def test_any_bytes_called_docx_are_read_or_dropped(data, at, patch):
    document = docx.Document()
    document.add_heading("总则", 1)
    document.add_table(2, 2).cell(0, 0).text = LONG
    good = bytearray(saved(document))
    good[at : at + len(patch)] = patch
    for candidate in (data, b"PK\x03\x04" + data, bytes(good)):
        try:
            read(candidate, "x.docx")
        except Drop as drop:
            assert drop.reason and drop.facts["why"]


def test_xml_that_says_strange_things_is_read_or_dropped():
    document = docx.Document()
    for _ in range(3):
        add(document, run("x") * 3, '<w:numPr><w:ilvl w:val="99"/><w:numId w:val="abc"/></w:numPr>')
    deep = run("deep")
    for _ in range(200):
        deep = f"<w:smartTag>{deep}</w:smartTag>"
    add(document, deep)
    assert blocks(document)
