"""Coverage of finished runs: what streams ask and have, what each generator adds for its tokens, and what is shown."""

import json
from pathlib import Path
from random import Random

import pytest
import typer
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from sftmill.cli_coverage import coverage
from sftmill.core import question
from sftmill.coverage import Place, measure_coverage
from sftmill.coverage.ask import read_kinds, read_weights
from sftmill.coverage.show import coverage_text
from sftmill.errors import RunError
from sftmill.flow.shards import Seal, ShardList, schema_of, shard_files, write_shard
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.grid import Grid, grid_text, read_grid
from sftmill.text import content_hash

NAMES = {
    "zh": {"topics": ("水库", "船闸", "堤坝"), "task_types": ("解释", "计算"), "difficulties": ("简单", "困难")},
    "en": {"topics": ("reservoirs", "locks", "dams"), "task_types": ("explain", "calculate"), "difficulties": ("easy", "hard")},
}  # fmt: skip

WORDS = [a + b for a in "bdfghklmnprstv" for b in ("ando", "erin", "ilta", "otum", "ulek", "amiso")]


def grid(lang="zh"):
    return Grid(**NAMES[lang])


def rows_of(cell, number, start=0, **more):
    labels = {"topic": cell.topic, "task_type": cell.task_type, "difficulty": cell.difficulty}
    return [
        {
            "messages": [{"role": "user", "content": f"{cell.topic}{cell.task_type}{cell.difficulty}{start + i}"}],
            **labels,
            **more,
        }
        for i in range(number)
    ]


def write_run(folder, streams, counts=None, money=0.0, recipe=None):
    """Write a finished run: rows by "stream/stage", the tokens of its stages, and what it spent."""
    for name, rows in streams.items():
        stream, _, key = name.partition("/")
        base = {"root": "r", "parents": [], "lang": "zh", "sensitivity": "public", "stream": stream}
        named = [{**base, "id": content_hash(stream, str(i)), **row} for i, row in enumerate(rows)]
        schema = schema_of({column for row in named for column in row})
        write_shard(folder / "streams" / stream / (key or "01-label") / "00000.parquet", named, schema, Seal("", ""))
    told = {name: {"tokens": tokens} for name, tokens in (counts or {}).items()}
    (folder / "manifest.json").write_text(json.dumps({"counts": told, "money": {"spent": money, "currency": "CNY"}}))
    text = json.dumps(recipe or {"streams": {name.partition("/")[0]: {"steps": []} for name in streams}})
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return folder


# --- a real run: labelled, measured, filled, measured again ------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_labelled_run_shows_its_hole_and_the_quotas_made_of_it_close_it(tmp_path, lang):
    of = grid(lang)
    cells = list(of.cells())
    hole = cells[5]
    said = {}

    def texts(kind, without=None):
        for cell in cells:
            for i in range(0 if cell == without else 30):
                text = f"{kind} {' '.join(cell[:3])} {i}"
                said[text] = cell
                yield json.dumps({"question": text}, ensure_ascii=False)

    def tag(body):
        shown = body["messages"][-1]["content"]
        text = max((text for text in said if text in shown), key=len)
        cell = said[text]
        return {"json": {"about": "x", "topic": cell.topic, "task_type": cell.task_type, "difficulty": cell.difficulty}}

    def write(body):
        number = len(said)
        if lang == "zh":
            made = [f"请说明{chr(0x4E00 + 37 * (number + i)) * 9}{number + i}" for i in range(10)]
        else:
            made = [f"Explain how {' '.join(Random(number + i).sample(WORDS, 9))} is made." for i in range(10)]
        said.update(dict.fromkeys(made, hole))
        return {"json": {"instructions": made}}

    def tag_new(body):
        found = tag(body)
        found["json"].pop("about")
        return found

    (tmp_path / "pool.jsonl").write_text("\n".join(texts("pool", hole)), "utf-8")
    (tmp_path / "asked.jsonl").write_text("\n".join(texts("asked")), "utf-8")
    (tmp_path / "grid.yaml").write_text(grid_text(of, {}, {}), "utf-8")
    (tmp_path / "unused.yaml").write_text("default: x")
    models = {name: {"scripted": "unused.yaml", "model": name} for name in ("teacher", "tagger")}
    label = {"label": {"grid": "grid.yaml"}}
    streams = {name: [{"samples": {"file": f"{name}.jsonl"}}, label] for name in ("pool", "asked")}
    recipe = {"name": "t", "lang": lang, "models": models, "streams": streams}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
    run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers={"tagger": [ScriptedProvider(tag)]})
    before = CliRunner().invoke(
        app(), [str(tmp_path / "run"), *options(tmp_path), "--fill", str(tmp_path / "quotas.yaml")]
    )
    assert before.exit_code == 0, before.output
    assert "1 hole with" in before.output and "controlled" in before.output
    assert read_grid(tmp_path / "quotas.yaml").wanted() == {hole: 30}
    assert all(text.startswith("asked ") for text in read_grid(tmp_path / "quotas.yaml").examples()[hole])

    recipe["streams"] = {
        "tasks": [{"draws": {"count": 1}}, {"controlled": {"grid": "quotas.yaml", "lang": lang, "code": True}}]
    }
    (tmp_path / "fill.yaml").write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
    providers = {"teacher": [ScriptedProvider(write)], "tagger": [ScriptedProvider(tag_new)]}
    run_recipe(load_recipe(tmp_path / "fill.yaml"), tmp_path / "filled", providers=providers)
    stage = next((tmp_path / "filled" / "streams" / "tasks").glob("*-controlled"))
    assert len([question(row) for row in ShardList(shard_files(stage)).rows()]) == 30
    both = ["pool", f"{tmp_path / 'filled'}:tasks"]
    after = measure_coverage(tmp_path / "run", both, {"asked": ["asked"]}, of)
    assert not after.map.holes and after.map.covered == 1.0
    assert [(one.stream, one.generator, one.new_cells) for one in after.gains if one.rows][-1][2] == 1


def app():
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command()(coverage)
    return made


def options(folder: Path):
    return ["--pool", "pool", "--demand", "asked", "--grid", str(folder / "grid.yaml")]


# --- what each generator adds ------------------------------------------------------------------------


def test_each_generator_is_told_what_it_adds_for_its_tokens_and_its_share_of_the_money(tmp_path):
    one, two, three, *_ = grid().cells()
    pool = [
        *rows_of(one, 6, method="self_instruct"),
        *rows_of(two, 4, method="self_instruct"),
        *rows_of(one, 4, method="evolve"),  # the same texts again
        *rows_of(three, 6, method="evolve"),
    ]
    counts = {
        "queries/01-label": 1000, "pool/01-self_instruct": 4000, "pool/02-evolve": 2000, "pool/03-label": 1000,
        "empty/01-magpie": 2000,
    }  # fmt: skip
    recipe = {"streams": {"queries": {}, "pool": {}, "empty": {}, "all": {"from": ["pool", "empty"]}}}
    asked = [row for cell in (one, two, three) for row in rows_of(cell, 10, 100)]
    after = [{**row, "stream": "pool"} for row in pool]
    streams = {"queries/01-label": asked, "pool/03-label": pool, "all/01-dedup": after}
    run = write_run(tmp_path, streams, counts, 5.0, recipe)
    found = measure_coverage(run, ["all"], {"queries": ["queries"]}, grid())
    told = [(g.stream, g.generator, g.rows, g.distinct, g.cells, g.new_cells, g.tokens, g.money) for g in found.gains]
    assert told == [
        ("pool", "self_instruct", 10, 10, 2, 2, 4500, pytest.approx(2.25)),
        ("pool", "evolve", 10, 6, 2, 1, 2500, pytest.approx(1.25)),
        ("empty", "magpie", 0, 0, 0, 0, 2000, pytest.approx(1.0)),
    ]
    first, second, third = found.gains
    assert first.new_demand == pytest.approx(2 / 3) and second.new_demand == pytest.approx(1 / 3)
    assert first.each(first.new_cells, "money") == pytest.approx(2 / 2.25)
    assert second.as_dict()["new_cells_per_1000_tokens"] == pytest.approx(0.4)
    assert third.as_dict()["distinct_per_money"] == 0.0
    shown = text(found, 100)
    assert "pool/evolve" in shown and "CNY" in shown and "shared among the steps by their tokens" in shown


def test_a_run_that_spent_nothing_tells_no_money(tmp_path):
    one, *_ = grid().cells()
    run = write_run(tmp_path, {"queries": rows_of(one, 3), "pool": rows_of(one, 3)})
    (gain,) = measure_coverage(run, ["pool"], {"queries": ["queries"]}, grid()).gains
    assert gain.money is None and gain.each(1, "tokens") is None and gain.as_dict()["new_cells_per_money"] is None
    (tmp_path / "manifest.json").unlink()
    assert measure_coverage(run, ["pool"], {"queries": ["queries"]}, grid()).currency == ""


# --- places and options ------------------------------------------------------------------------------


def test_a_row_in_several_streams_of_the_pool_counts_once(tmp_path):
    one, *_ = grid().cells()
    rows = rows_of(one, 5)
    run = write_run(tmp_path, {"queries": rows_of(one, 3, 9), "pool": rows, "more": [{**r, "id": content_hash("pool", str(i))} for i, r in enumerate(rows)]})  # fmt: skip
    assert measure_coverage(run, ["pool", "more"], {"queries": ["queries"]}, grid()).map.pool.rows == 5


def test_the_last_stage_with_rows_is_read_or_the_one_named(tmp_path):
    one, two, *_ = grid().cells()
    run = write_run(tmp_path, {"pool/01-samples": rows_of(one, 2), "pool/02-label": rows_of(two, 1)})
    assert len(list(Place(run, "pool").rows())) == 1
    assert len(list(Place(run, "pool/samples").rows())) == 2
    assert Place.parse("pool", run) == (run, "pool") and Place.parse("a/b:pool/x", run) == (Path("a/b"), "pool/x")


def test_what_is_missing_is_named_with_a_remedy(tmp_path):
    one, *_ = grid().cells()
    bare = [{"messages": [{"role": "user", "content": "问"}]}]
    away = [{**bare[0], "topic": "别的", "task_type": "问", "difficulty": "中"}]
    run = write_run(tmp_path, {"queries": rows_of(one, 3), "bare": bare, "away": away})
    with pytest.raises(RunError, match="streams with rows: away, bare, queries"):
        measure_coverage(run, ["poll"], {"queries": ["queries"]}, grid())
    with pytest.raises(RunError, match="no run directory"):
        measure_coverage(tmp_path / "none", ["pool"], {"queries": ["queries"]}, grid())
    with pytest.raises(RunError, match="add the step"):
        measure_coverage(run, ["bare"], {"queries": ["queries"]}, grid())
    with pytest.raises(RunError, match="is it the grid"):
        measure_coverage(run, ["queries"], {"away": ["away"]}, grid())


def test_kinds_and_weights_are_read_from_the_command_line():
    kinds = read_kinds(["queries", "users=forum", "users=old/run:mail", "runs/x:books/label"])
    assert kinds == {"queries": ["queries"], "users": ["forum", "old/run:mail"], "books": ["runs/x:books/label"]}
    assert read_weights(["users=2.5"], kinds) == {"users": 2.5}
    for wrong in ("users", "users=x", "users=-1", "none=1", "users=nan"):
        with pytest.raises(RunError, match="names are: queries, users, books"):
            read_weights([wrong], kinds)
    with pytest.raises(RunError, match="--demand"):
        read_kinds(["=queries"])


# --- what is shown -----------------------------------------------------------------------------------


def text(measured, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    with console.file:
        console.print(coverage_text(measured), highlight=False)
        return console.export_text()


def planted(folder, lang="zh", of=None):
    of = of or grid(lang)
    cells = list(of.cells())
    asked = [row for cell in cells for row in rows_of(cell, 30, 100, source="a")]
    asked.append({**rows_of(cells[0], 1)[0], "topic": "其他", "tags": ["天气"], "frequency": 40})
    pool = [row for cell in cells[1:] for row in rows_of(cell, 60, method="self_instruct")]
    run = write_run(folder, {"queries": asked, "pool": pool}, {"pool/01-self_instruct": 9000}, 3.0)
    return measure_coverage(run, ["pool"], {"queries": ["queries"]}, of)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_map_fits_the_terminal_and_its_columns_are_even(tmp_path, lang, width):
    shown = text(planted(tmp_path, lang), width)
    lines = [line.rstrip() for line in shown.splitlines()]
    assert all(cell_len(line) <= width for line in lines)
    assert f"1 hole with {1 / 12:.1%}" in " ".join(lines) and "天气 40" in shown
    topic, task, hard = next(grid(lang).cells())[:3]
    assert f"{topic} / {task} / {hard}" in shown and f"queries: {topic}{task}{hard}100" in shown
    first = next(line for line in lines if line.startswith(topic) and "0/55!" in line)
    second = next(line for line in lines if line.startswith(NAMES[lang]["topics"][1]) and "60/55" in line)
    places = [cell_len(line[: line.index("/")]) for line in (first, second)]
    assert places[0] == places[1], "numbers stand below each other, whatever the width of the names"


def test_a_grid_with_many_task_types_is_shown_in_parts(tmp_path):
    of = Grid(
        topics=("个人住房按揭贷款业务办理与风险管理的若干问题",),
        task_types=tuple(f"任务类型{i}" for i in range(20)),
        difficulties=("中",),
    )
    shown = text(planted(tmp_path, of=of), 80)
    assert all(cell_len(line.rstrip()) <= 80 for line in shown.splitlines())
    assert all(f"任务类型{i}" in shown for i in range(20)) and "…" not in shown.split("holes, the most")[0]


def test_a_pool_that_is_hardly_labelled_is_warned_of(tmp_path):
    one, two, *_ = grid().cells()
    bare = [{"messages": [{"role": "user", "content": f"问{i}"}]} for i in range(90)]
    run = write_run(tmp_path, {"queries": rows_of(one, 30) + rows_of(two, 30), "pool": rows_of(one, 60) + bare})
    shown = text(measure_coverage(run, ["pool"], {"queries": ["queries"]}, grid()), 200)
    assert "warning: 60% of pool has no label" in shown


def test_escape_codes_in_questions_do_not_reach_the_terminal(tmp_path):
    one, two, *_ = grid().cells()
    bad = [
        {**row, "messages": [{"role": "user", "content": f"\x1b[2J[red]坏{i}"}]}
        for i, row in enumerate(rows_of(one, 40))
    ]
    run = write_run(tmp_path, {"queries": bad, "pool": rows_of(two, 60)})
    shown = text(measure_coverage(run, ["pool"], {"queries": ["queries"]}, grid()), 100)
    assert "\x1b" not in shown and "[red]坏" in shown


def test_everything_that_is_written_can_be_read_again(tmp_path):
    planted(tmp_path)
    (tmp_path / "grid.yaml").write_text(grid_text(grid(), {}, {}), "utf-8")
    files = {name: tmp_path / f"out.{name}" for name in ("json", "svg", "yaml")}
    asked = [str(tmp_path), "--pool", "pool", "--demand", "users=queries", "--grid", str(tmp_path / "grid.yaml")]
    told = CliRunner().invoke(
        app(),
        [
            *asked,
            "--json",
            str(files["json"]),
            "--svg",
            str(files["svg"]),
            "--fill",
            str(files["yaml"]),
            "--count",
            "7",
        ],
    )
    assert told.exit_code == 0, told.output
    made = json.loads(files["json"].read_text("utf-8"))
    assert len(made["cells"]) == 12 and len(made["holes"]) == 1 and made["holes"][0]["due"] == 55
    assert made["holes"][0]["examples"][0]["kind"] == "users" and made["gains"][0]["new_cells"] == 11
    assert "水库" in files["svg"].read_text("utf-8")
    assert list(read_grid(files["yaml"]).wanted().values()) == [7]
    assert "leveling the holes takes 60" in told.output


def test_without_a_hole_no_quotas_are_written(tmp_path):
    one, *_ = grid().cells()
    write_run(tmp_path, {"queries": rows_of(one, 30), "pool": rows_of(one, 30)})
    (tmp_path / "grid.yaml").write_text(grid_text(grid(), {}, {}), "utf-8")
    asked = [str(tmp_path), "--pool", "pool", "--demand", "queries", "--grid", str(tmp_path / "grid.yaml")]
    told = CliRunner().invoke(app(), [*asked, "--fill", str(tmp_path / "q.yaml")])
    assert "no hole to fill" in told.output and not (tmp_path / "q.yaml").exists()


def test_secret_questions_are_no_examples_in_a_file_that_says_nothing_of_secrets(tmp_path):
    one, two, *_ = grid().cells()
    secret = rows_of(one, 40, 0, sensitivity="secret", source="a")
    run = write_run(tmp_path, {"queries": [*secret, *rows_of(one, 2, 900, source="b")], "pool": rows_of(two, 60)})
    (tmp_path / "grid.yaml").write_text(grid_text(grid(), {}, {}), "utf-8")
    asked = [str(run), "--pool", "pool", "--demand", "queries", "--grid", str(tmp_path / "grid.yaml")]
    told = CliRunner().invoke(app(), [*asked, "--fill", str(tmp_path / "q.yaml")])
    assert "are secret and were left out" in told.output
    assert [text[-3:] for text in read_grid(tmp_path / "q.yaml").examples()[one]] == ["900"]
