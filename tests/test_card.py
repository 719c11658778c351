"""Data cards: what they say of a finished run."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from exported import run
from served import project, serving
from sftmill.card import write_card
from sftmill.card.facts import Spread
from sftmill.card.licences import care, identifier, of_all
from sftmill.card.words import WORDS
from sftmill.flow.shards import Seal, schema_of, write_shard
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.blend.export import Export


def sample(number, lang="zh", **more):
    """Return a finished row; long enough that percentiles differ."""
    question, answer = (
        ("第 {} 排机柜放什么？", "放服务器" * 9) if lang == "zh" else ("What is in row {}?", "servers " * 20)
    )
    return {
        "id": f"{number:032x}",
        "root": "0" * 32,
        "parents": [],
        "lang": lang,
        "sensitivity": "public",
        "stream": "books",
        "source": "机房/手册.pdf",
        "messages": [
            {"role": "user", "content": question.format(number)},
            {"role": "assistant", "content": answer},
        ],
        **more,
    }


def step(rows_in, out, born=0, failed=0, tally=None, **dropped):
    made = {"in": rows_in, "born": born, "out": out, "dropped": dropped, "failed": failed}
    return {**made, "tally": tally} if tally else made


MANIFEST = {
    "name": "机房问答",
    "sftmill": "0.1.0",
    "arguments": ["run", "/home/somebody/recipe.yaml"],
    "limit": None,
    "started": 1767225600.0,
    "models": {"teacher": {"model": "qwen3-32b", "revision": "9216db5", "sampling": {}}},
    "prompts": {"selfqa_answers/answer.zh": "f386dbc73b6c07fdc28021d6ceedf6c4"},
    "fingerprints": {"books": "a" * 32, "finish": "b" * 32},
    "counts": {
        "books/01-books": step(2, 2),
        "books/02-personal_data": step(2, 2, tally={"masked.phone": 3, "masked.id_card": 1}),
        "books/03-grounded": step(10, 6, failed=1, unsupported=2, number_not_in_source=1),
        "books/04-dedup": step(6, 4, duplicate=2),
        "books/05-reviewed": step(4, 3, rejected_by_reviewer=1),
        "finish/01-export": step(3, 3),
    },
    "spent": [
        {
            "role": "teacher",
            "model": "qwen3-32b",
            "answers": 12,
            "prompt_tokens": 9000,
            "completion_tokens": 3000,
            "cached_tokens": 4000,
        }
    ],
    "money": {"spent": 1.5, "currency": "CNY"},
    "files": {},
    "warnings": [],
}
RECIPE = {
    "lang": ["zh", "en"],
    "personal_data": "mask",
    "models": {"teacher": {"local": None}},
    "streams": {"books": {"steps": [{"books": {"folder": "x"}}, {"selfqa_answers": {"to": "teacher"}}]}},
    "finish": {"from": ["books"], "steps": [{"export": {"forms": ["messages"]}}]},
}


def card(folder, rows, manifest=None, recipe=None, lang=None, forms=("messages", "csv")):
    """Make a finished run's folder, write its card and return it."""
    (folder / "streams/finish/01-export").mkdir(parents=True)
    columns = sorted({name for row in rows for name in row})
    write_shard(folder / "streams/finish/01-export/00000.parquet", rows, schema_of(columns), Seal("", ""))
    recipe = {**RECIPE, **(recipe or {}), **({"lang": [lang]} if lang else {})}
    (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    if forms:
        run(Export(forms=forms), rows, folder / "export")
    path = write_card(folder, {**MANIFEST, **(manifest or {})})
    assert path == folder / "export" / "DATA_CARD.md"
    return path.read_text("utf-8")


ROWS = [
    sample(0, licence="CC BY 4.0", grounded=0.9, question_type="what", task="closed_book", reviewed="accepted"),
    sample(1, licence="CC BY 4.0", grounded=1.0, question_type="how", task="closed_book", effective="2024-01-01"),
    sample(2, "en", licence="CC BY 4.0", grounded=0.8, question_type="what", expires="2027-12-31"),
]


def front_matter(text):
    _, head, _ = text.split("---\n", 2)
    return YAML(typ="safe", pure=True).load(head)


def test_the_front_matter_is_that_of_a_data_set_on_the_hub(tmp_path):
    assert front_matter(card(tmp_path, ROWS)) == {
        "license": "cc-by-4.0",
        "language": ["en", "zh"],
        "pretty_name": "机房问答",
        "size_categories": ["n<1K"],
        "task_categories": ["text-generation", "question-answering"],
        "tags": ["synthetic", "sft"],
        "configs": [{"config_name": "sft.messages", "data_files": "sft.messages.jsonl"}],
    }


def test_a_chinese_card_tells_what_there_is(tmp_path):
    text = card(tmp_path, ROWS)
    for line in (
        "# 机房问答",
        "本数据集有 3 个样本，供语言模型微调使用，由 sftmill 0.1.0 于 2026-01-01（UTC）生成，取材于 1 个来源。",
        "| 中文 | 2 | 9 / 9 / 9 | 36 / 36 / 36 |",
        "| 英文 | 1 | 5 / 5 / 5 | 20 / 20 / 20 |",
        "- 问题类型：`what` 2（67%）、`how` 1（33%）。",
        "- 任务：`closed_book` 2（67%）。",
        "| `sft.messages.jsonl` | 3 | TRL, ms-swift, LLaMA-Factory |",
        "| `sft.csv` | 3 | Excel, pandas |",
        "| CC BY 4.0 | 3 |  |",
        "| `机房/手册.pdf` | 3 | CC BY 4.0 | 公开 |  |  |",
        "| teacher | qwen3-32b | 9216db5 | `selfqa_answers` | 12 | 9,000 / 3,000 |",
        "- `selfqa_answers/answer.zh` `f386dbc73b6c07fd`",
        "| `books/03-grounded` | 10 | 0 | 6 | 1 | `unsupported` 2、`number_not_in_source` 1 |",
        "- 去掉了 2 个重复的样本。",
        "- 100% 的样本与原文核对过，得分 p5 / p50 / p95 为 0.80 / 0.90 / 1.00（0 至 1，越高越有原文支持）。",
        "- 人审阅了 1 个样本，占 33.3%：通过 1；另有 1 个被审阅者否决，已经去掉。",
        "- 来源中的个人信息已被遮盖，按种类计：`phone` 3、`id_card` 1。",
        "共 1.5 CNY，平均每个留下的样本 0.5 CNY。",
        "平均每个留下的样本 4,000 个词元。",
        "- 有 1 行因为模型或网络出错而没有处理完，不在数据集里。",
        f"引用时请写明：机房问答，3 个样本，sftmill 0.1.0，2026-01-01，内容指纹 `{'b' * 32}`。",
    ):
        assert line in text, line
    assert "/home/somebody" not in text


def test_an_english_card_tells_the_same(tmp_path):
    text = card(tmp_path, ROWS, lang="en")
    for line in (
        "This data set holds 3 samples for the fine-tuning of language models.",
        "| Chinese | 2 | 9 / 9 / 9 | 36 / 36 / 36 |",
        "- Types of question: `what` 2 (67%), `how` 1 (33%).",
        "| `books/04-dedup` | 6 | 0 | 4 | 0 | `duplicate` 2 |",
        "- Duplicates removed: 2.",
        "- People looked at 1 of the samples (33.3%): accepted 1. Samples that they rejected, and that are gone: 1.",
        "- Personal data in the sources was masked, by kind: `phone` 3, `id_card` 1.",
        "1.5 CNY in all, 0.5 CNY for each sample that is here.",
    ):
        assert line in text, line
    assert not any("\u4e00" <= c <= "\u9fff" for c in text.replace("机房问答", "").replace("机房/手册.pdf", ""))


def test_both_languages_have_the_same_words_with_the_same_blanks():
    def shape(value):
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        return len(value) if isinstance(value, tuple) else set(re.findall(r"\{(\w+)", value))

    assert shape(WORDS["zh"]) == shape(WORDS["en"])


@pytest.mark.parametrize(
    ("licence", "warning"),
    [
        ("", "3 个样本的来源没有写明许可"),
        ("CC BY-NC 4.0", "3 个样本的来源只许非商业使用（CC BY-NC 4.0）"),
        ("CC BY-ND 4.0", "3 个样本的来源不许改编（CC BY-ND 4.0）"),
        ("版权所有", "3 个样本的来源保留权利或仅限内部（版权所有）"),
        ("CC BY-SA 4.0", "3 个样本的来源要求以相同方式共享（CC BY-SA 4.0）"),
    ],
)
def test_licences_that_ask_for_care_are_warned_of(licence, warning, tmp_path):
    text = card(tmp_path, [sample(n, **({"licence": licence} if licence else {})) for n in range(3)])
    assert f"> **注意**：{warning}" in text


def test_a_sample_stands_under_the_licences_of_the_passages_retrieved_for_it_too(tmp_path):
    passage = {"id": "p", "title_path": [], "text": "机柜", "score": 1.0}
    shown = [
        {**passage, "source": "规范.pdf", "licence": "CC BY-NC 4.0"},
        {**passage, "source": "规范.pdf", "licence": "CC BY-NC 4.0"},
        {**passage, "source": "机房/手册.pdf", "licence": "CC BY 4.0"},
    ]
    text = card(tmp_path, [sample(0, licence="CC BY 4.0", retrieved=shown), sample(1, licence="CC BY 4.0")])
    assert "> **注意**：1 个样本的来源只许非商业使用（CC BY-NC 4.0）" in text
    rows = [line for line in text.splitlines() if line.startswith(("| `规范.pdf`", "| `机房/手册.pdf`"))]
    assert [line.split("|")[2].strip() for line in rows] == ["2", "1"]


def test_internal_samples_are_not_for_publication(tmp_path):
    text = card(tmp_path, [sample(0), sample(1, sensitivity="internal")])
    assert "> **注意**：其中有内部内容：只能给有权看到来源的人，不能公开。" in text


def test_what_was_not_done_is_said(tmp_path):
    counts = {"books/01-books": step(1, 1), "finish/01-export": step(1, 1)}
    bare = {
        "models": {},
        "prompts": {},
        "spent": [],
        "counts": counts,
        "limit": 5,
        "warnings": ["no price for teacher"],
    }
    text = card(tmp_path, [sample(0)], bare, forms=())
    for line in (
        "> **注意**：这是一次试运行：每个来源只取了前 5 行，不代表完整的数据集。",
        "这次运行没有导出文件。",
        "没有用模型：问答由规则从原文取得。",
        "- 没有做去重。",
        "- 回答没有与原文核对过。",
        "- 没有人审阅过这些样本。",
        "- 没有查找个人信息。",
        "没有请求任何模型。",
        "- 运行前的检查提醒过：no price for teacher",
    ):
        assert line in text, line


def test_a_run_without_samples_has_a_card(tmp_path):
    for lang in ("zh", "en"):
        text = card(tmp_path / lang, [], lang=lang)
        assert front_matter(text)["size_categories"] == ["n<1K"]
        assert "language" not in front_matter(text)


def test_without_a_finish_the_streams_that_no_other_reads_are_counted(tmp_path):
    for stream, step_name, number in (("a", "01-x", 2), ("b", "01-y", 3), ("b", "02-z", 1)):
        path = tmp_path / "streams" / stream / step_name / "00000.parquet"
        path.parent.mkdir(parents=True)
        rows = [sample(n) for n in range(number)]
        write_shard(path, rows, schema_of(rows[0]), Seal("", ""))
    recipe = {"lang": ["zh"], "streams": {"a": {"steps": []}, "b": {"from": ["a"], "steps": []}}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    counts = {"a/01-x": step(2, 2), "b/01-y": step(2, 3), "b/02-z": step(3, 1)}
    assert "本数据集有 1 个样本" in write_card(tmp_path, {**MANIFEST, "counts": counts}).read_text("utf-8")


def test_names_of_others_cannot_break_the_card(tmp_path):
    evil = "a|b`c`\n# 标题 <script>" + "长" * 100
    text = card(tmp_path, [sample(0, source=evil, licence=evil, question_type=evil)], {"name": "x: |\n---\n# y"})
    assert front_matter(text)["pretty_name"] == "x: |\n---\n# y"
    body = text.split("---\n\n# ", 1)[1]
    assert "\n# " not in body and "<script>" not in body.replace("`a¦b'c' # 标题 <script>", "")
    for line in body.splitlines():
        if line.startswith("| `a"):
            assert line.replace("\\|", "").count("|") == 7


def test_the_same_run_gives_the_same_card_and_the_readme_stays(tmp_path):
    first = card(tmp_path, ROWS)
    readme = (tmp_path / "export/README.md").read_bytes()
    assert write_card(tmp_path, MANIFEST).read_text("utf-8") == first
    assert (tmp_path / "export/README.md").read_bytes() == readme


def test_sources_that_are_too_many_are_counted_together(tmp_path, monkeypatch):
    monkeypatch.setattr("sftmill.card.facts.MOST_SOURCES", 100)
    text = card(tmp_path, [sample(n, source=f"{n}.pdf") for n in range(2000)], forms=())
    assert "另有 > 80 个来源未列出，共 1,980 个样本。" in text


@pytest.mark.parametrize(
    ("licence", "name", "kind"),
    [
        ("Apache License 2.0", "apache-2.0", "open"),
        ("Apache-2.0", "apache-2.0", "open"),
        ("MIT License", "mit", "open"),
        ("CC-BY-4.0", "cc-by-4.0", "open"),
        ("cc_by_sa 4.0", "cc-by-sa-4.0", "share_alike"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0", "non_commercial"),
        ("ＣＣ　BY　4.0", "cc-by-4.0", "open"),
        ("GPL-3.0-or-later", "gpl-3.0", "share_alike"),
        ("MIT 许可证", "mit", "open"),
        ("公司内部资料", None, "restricted"),
        ("All rights reserved", None, "restricted"),
        ("仅供研究使用", None, "non_commercial"),
        ("未知", None, "unknown"),
        ("N/A", None, "unknown"),
        ("", None, "unknown"),
        ("公有领域", None, "open"),
    ],
)
def test_licences_are_known_by_their_names(licence, name, kind):
    assert (identifier(licence), care(licence)) == (name, kind)


def test_a_set_has_a_licence_of_its_own_only_where_all_sources_agree():
    assert of_all(["MIT", "mit license"]) == "mit"
    assert of_all(["MIT", "Apache-2.0"]) == "other"
    assert of_all(["MIT", ""]) == of_all([]) == "unknown"
    assert of_all(["公有领域"]) == "other"


@given(st.lists(st.integers(0, 900), min_size=1), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_percentiles_are_values_that_so_many_do_not_exceed(values, share):
    spread = Spread()
    for value in values:
        spread.add(value)
    found = spread.at(share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


@given(st.integers(1000, 10**9))
def test_large_numbers_are_kept_to_three_digits(value):
    spread = Spread()
    spread.add(value)
    assert abs(spread.at(0.5) - value) <= 0.005 * value


def test_a_card_is_written_of_a_run_as_users_start_it(tmp_path):
    with serving() as endpoint:
        extra = "finish: {from: [main], steps: [export]}\n"
        manifest = run_recipe(load_recipe(project(tmp_path, endpoint.url, extra=extra)), tmp_path / "run")
    text = write_card(tmp_path / "run", manifest).read_text("utf-8")
    assert "This data set holds 20 samples" in text
    assert "| `sft.messages.jsonl` | 20 | TRL, ms-swift, LLaMA-Factory |" in text
    assert "| teacher | fake | 1 | `respond` | 20 |" in text
