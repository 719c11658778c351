"""The whole walk as a new user takes it: a folder of mixed files, init, plan, pilot, run, review out and in, export."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from served import command, manifest_of, serving
from sftmill.flow.losses import read_losses
from sftmill.sheets import read_workbook

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"
SENTENCE = re.compile(r"[^。！？\n]{16,80}[。！？]|[^.!?\n]{40,200}[.!?](?=\s)")


def teacher(body: dict) -> str:
    """Answer as a model would that reads: ask about sentences of the material shown, and quote the one asked about."""
    prompt = body["messages"][-1]["content"]
    material = prompt.partition("<material>")[2].partition("</material>")[0].partition("\n")[2]
    sentences = SENTENCE.findall(material)
    if found := re.search(r"(?:问题：|Question: )(.+)$", prompt.strip()):
        named = re.search('[“"](.+?)[”"]', found[1])
        for sentence in sentences:
            if named and sentence.strip().startswith(named[1]):
                return json.dumps({"quotations": [sentence.strip()], "answer": sentence.strip()}, ensure_ascii=False)
        return json.dumps(
            {"quotations": [], "answer": "资料未提及" if "问题：" in prompt else "Not stated"}, ensure_ascii=False
        )
    chinese = re.search(r"请出 (\d+) 个问题", prompt)
    wanted = int((chinese or re.search(r"Write (\d+) question", prompt))[1])
    starts = [s.strip()[: 8 if chinese else 30] for s in sentences if not re.search('[“”"]', s[:32])]
    form = "以“{}”开头的规定是什么？" if chinese else 'Which rule begins with "{}"?'
    questions = [form.format(start) for start in starts[:wanted]]
    return json.dumps({"questions": questions}, ensure_ascii=False)


def make_folder(folder: Path) -> Path:
    """Collect real files of many kinds, one of them a scan that cannot be read, and one inside an archive."""
    import docx

    folder.mkdir()
    handbook = SHARED / "books" / "ops_zh_debian_handbook"
    shutil.copy(SHARED / "books" / "medicine_zh_tcm_classic" / "204-医林改错.txt", folder)
    shutil.copy(handbook / "sect.apt-get.html", folder)
    shutil.copy(SHARED / "formats" / "pdf" / "ok_3pages.pdf", folder)
    shutil.copy(SHARED / "formats" / "pdf" / "image_only.pdf", folder / "scan.pdf")
    shutil.copy(SHARED / "formats" / "good" / "table_two_sheets.xlsx", folder)
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.write(handbook / "sect.selinux.html", "安全/selinux.html")
    document = docx.Document()
    document.add_heading("值班制度", 1)
    document.add_paragraph("值班人员每两小时巡视机房一次，并把温度和湿度写入记录表。张三的联系电话：13812345678。")
    document.add_paragraph("发现漏水时，值班人员应当先关闭阀门，再切断受影响机柜的电源，并在十分钟内报告。")
    document.save(folder / "值班.docx")
    return folder


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real material of ../shared/data")
def test_the_whole_walk_from_a_folder_to_reviewed_samples(tmp_path):
    documents = make_folder(tmp_path / "documents")

    def sftmill(*arguments: object) -> str:
        status, text = command(*arguments, cwd=tmp_path)
        assert status == 0, f"sftmill {' '.join(map(str, arguments))}\n{text}"
        return text

    with serving(answers=teacher) as endpoint:
        written = sftmill(
            "init", "project", "--documents", documents, "--endpoint", endpoint.url, "--model", "fake", "--lang", "zh",
            "--sensitivity", "internal", "--yes",
        )  # fmt: skip
        assert "project/recipe.yaml" in written
        recipe = tmp_path / "project" / "recipe.yaml"

        planned = sftmill("plan", recipe)
        assert "the plan holds" in planned
        assert not endpoint.bodies, "a plan asks nobody"

        forecast = sftmill("pilot", recipe, "-n", 20)
        assert "forecast from 20 of" in forecast
        asked = len(endpoint.bodies)
        assert asked > 20

        ran = sftmill("run", recipe)
        assert "per accepted sample" in ran
        (run_dir,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
        manifest = manifest_of(run_dir)
        calls = manifest["calls"]["teacher"]
        assert calls["from_ledger"] == asked, "the pilot's answers are used again"
        assert len(endpoint.bodies) == asked + calls["calls"]

        # every file was read or is named with a reason
        lost = [row for f in sorted(run_dir.glob("streams/*/*")) for row in read_losses(f, "dropped")]
        assert any(row["source"] == "scan.pdf" and row["reason"] == "no_text_layer" for row in lost)
        exported = [json.loads(line) for line in (run_dir / "export" / "sft.messages.jsonl").read_text().splitlines()]
        said = "\n".join(message["content"] for sample in exported for message in sample["messages"])
        assert len(exported) >= 20
        # personal data never left the house
        assert "13812345678" not in json.dumps(endpoint.bodies) + said
        tallies = [counts.get("tally", {}) for counts in manifest["counts"].values()]
        assert any("masked.mobile" in tally for tally in tallies), tallies
        card = (run_dir / "export" / "DATA_CARD.md").read_text()
        assert "204-医林改错.txt" in card

        workbook = tmp_path / "review.xlsx"
        sftmill("review", "export", run_dir, "--xlsx", workbook)
        reject, correct = review(workbook, tmp_path / "back.xlsx")
        imported = sftmill("review", "import", tmp_path / "back.xlsx", "--labels", recipe.parent / "labels.jsonl")
        assert "next:" in imported
        text = recipe.read_text()
        assert "# - reviewed" in text
        recipe.write_text(re.sub(r"# (- reviewed[^\n#]*)", r"\1", text))
        before = len(endpoint.bodies)
        again = sftmill("run", recipe)
        assert "per accepted sample" in again
        assert len(endpoint.bodies) == before, "a review asks nobody"
        exported = (run_dir / "export" / "sft.messages.jsonl").read_text()
        assert reject not in exported
        assert "由专家改正的答案。" in exported
        assert correct not in exported

        sftmill("export", run_dir, "--to", tmp_path / "csv", "--form", "csv")
        assert list((tmp_path / "csv").glob("*.csv"))


def review(workbook: Path, back: Path) -> tuple[str, str]:
    """Fill a workbook in as an expert would: one rejected, one corrected, the others accepted; return those two answers."""
    import xlsxwriter

    sheets = read_workbook(workbook.read_bytes())
    book = xlsxwriter.Workbook(str(back))
    answers = []
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        head = next((i for i, row in enumerate(sheet.rows) if "结论" in row and "答案" in row), None)
        for i, row in enumerate(sheet.rows):
            cells = list(row)
            if head is not None and i > head and any(cells):
                number = i - head
                cells[sheet.rows[head].index("结论")] = {1: "拒绝", 2: "修改"}.get(number, "接受")
                answers.append(cells[sheet.rows[head].index("答案")])
                if number == 2:
                    cells[sheet.rows[head].index("修改后的答案")] = "由专家改正的答案。"
            for j, cell in enumerate(cells):
                page.write(i, j, cell) if not isinstance(cell, str) else page.write_string(i, j, cell)
    book.close()
    return answers[0], answers[1]
