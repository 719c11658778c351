"""The steps of quality selection in one recipe, zh and en: what comes in is what stays and what goes; twice the same bytes."""

import json

import pytest

from sftmill.errors import RecipeError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import read_rows, shard_files
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe

pytest.importorskip("numba", reason="needs the extra `scale`")

TEXTS = {
    "zh": ("水库在汛期前第{}天要放水，闸门开多大由水位决定", "第{}道菜先把排骨焯水，再放料酒和姜片慢慢炖"),
    "en": (
        "before the flood season the reservoir lets water out for {} days",
        "simmer the ribs for {} hours with ginger",
    ),
}
SCRIPT = """
rules:
  - {when: /<candidate>/, json: {score: 4}}
  - {when: '/[02468](天|道| days| hours)/', json: {score: 6}}
  - {when: /<request>/, json: {score: 2}}
"""
RECIPE = """
name: quality
lang: LANG
personal_data: keep
models:
  judge: {scripted: script.yaml}
  embedder: {scripted: script.yaml}
streams:
  like:
    - samples: {file: like.jsonl}
  pool:
    - samples: {file: pool.jsonl}
  best:
    from: [pool]
    inputs: {like: like}
    steps:
      - dsir: {streams: [like], budget: 30, temperature: 0}
      - deita_scores
      - deita_select: {budget: 20, alike: 0.9999}
      - keep_best: {by: log_importance, share: 0.5}
"""
STEPS = ("dsir", "deita_scores", "deita_select", "keep_best")


def write(folder, lang, recipe=RECIPE):
    wanted, other = TEXTS[lang]
    pool = [wanted.format(i) for i in range(40)] + [other.format(i) for i in range(60)]
    for name, texts in (("pool", pool), ("like", [wanted.format(i) for i in range(100, 110)])):
        lines = (json.dumps({"question": text, "answer": text[::-1]}, ensure_ascii=False) for text in texts)
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "script.yaml").write_text(SCRIPT, "utf-8")
    (folder / "recipe.yaml").write_text(recipe.replace("LANG", lang), "utf-8")
    return load_recipe(folder / "recipe.yaml")


def stage(folder, name):
    (found,) = (folder / "streams" / "best").glob(f"*-{name}")
    return [row for file in shard_files(found) for row in read_rows(file)], list(read_losses(found, "dropped"))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_recipe_chooses_by_words_then_by_scores_then_by_a_column(tmp_path, lang):
    recipe = write(tmp_path, lang)
    run_recipe(recipe, tmp_path / "one")
    rows, lost = stage(tmp_path / "one", "dsir")
    assert (len(rows), len(lost)) == (30, 70)
    word = TEXTS[lang][0][:2]
    assert sum(row["messages"][0]["content"].startswith(word) for row in rows) >= 28
    assert {one["reason"] for one in lost} == {"over_budget"}
    rows, lost = stage(tmp_path / "one", "deita_select")
    assert (len(rows), len(lost)) == (20, 10) and {row["deita"] for row in rows} == {8.0, 24.0}
    assert all(one["deita"] == 8.0 for one in lost), "the hard ones come first"
    best, lost = stage(tmp_path / "one", "keep_best")
    assert (len(best), len(lost)) == (10, 10)
    assert min(row["log_importance"] for row in best) >= max(one["log_importance"] for one in lost)
    for name in ("dsir", "deita_select", "keep_best"):
        assert (tmp_path / "one" / "export" / f"{name}.csv").is_file()
        assert (tmp_path / "one" / "export" / f"{name}_at_the_line.jsonl").is_file()
    run_recipe(recipe, tmp_path / "two")
    assert all(stage(tmp_path / "two", name) == stage(tmp_path / "one", name) for name in STEPS)


def test_the_plan_refuses_a_scorer_that_cannot_and_a_judge_that_wrote(tmp_path):
    local = RECIPE.replace("      - deita_scores\n", "      - ifd: {to_scorer: writer}\n").replace(
        "  judge: {scripted: script.yaml}", "  writer: {local: qwen2.5-coder-0.5b-instruct}"
    )
    with pytest.raises(RecipeError) as told:
        make_plan(write(tmp_path, "zh", local), tmp_path / "run")
    assert "gives no numbers" in str(told.value.problems)
    own = RECIPE.replace("      - deita_scores\n", "      - respond: {to: judge}\n      - deita_scores\n")
    with pytest.raises(RecipeError) as told:
        make_plan(write(tmp_path, "zh", own), tmp_path / "run")
    assert "own_answers: true" in str(told.value.problems)
