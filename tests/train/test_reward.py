"""Training a reward model: which pairs count, what the loss is, and that what was learnt is found again by a recipe."""

import asyncio
import json
import math
import random
import shutil

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from hypothesis import given, strategies
from tests.tiny_causal import CHAT, make_tokenizer, make_voice

from sftmill.core import answer, answered, asked
from sftmill.errors import ModelFileError, RunError
from sftmill.flow.shards import Seal, schema_of, write_shard
from sftmill.models import in_process_files as files
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.settings import BudgetSettings, ModelSettings
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.train.reward import RECORD, Schedule, assess, main, pair_loss, train_reward
from sftmill.train.reward_pairs import Pair, make_pairs, read_rows, split_pairs

QUICK = Schedule(epochs=6, batch=8, accumulate=1, rate=3e-3, held_out=0.25)
MARK = {"zh": "见第三条。", "en": "see clause 3."}
WORDS = {"zh": ["水", "光", "热", "每秒", "一百度", "沸腾", "速度"], "en": ["water", "light", "heat", "boils", "speed"]}


def make_row(number, lang="zh", **more):
    """A preference of which the better answer cites its source, and is as often the longer as the shorter one."""
    draw = random.Random(f"{lang} {number}")
    gap = "" if lang == "zh" else " "
    said = gap.join(draw.choices(WORDS[lang], k=draw.randint(3, 9)))
    other = gap.join(draw.choices(WORDS[lang], k=draw.randint(3, 9)))
    row = asked({"id": f"{lang}{number}", "lang": lang}, f"{number} {gap.join(draw.choices(WORDS[lang], k=3))}?")
    return {**answered(row, f"{said}{gap}{MARK[lang]}"), "rejected": f"{other}{gap}{other[:4]}", **more}


ROWS = [make_row(number, lang) for number in range(60) for lang in ("zh", "en")]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a small causal model and a chat format."""
    texts = [m["content"] for row in ROWS for m in row["messages"]] + [row["rejected"] for row in ROWS]
    tokenizer = make_tokenizer(CHAT, texts, words=420, more=["<|user|>", "<|assistant|>"])
    folder = tmp_path_factory.mktemp("models") / "base"
    voice = make_voice(1, tokenizer, spread=0.05)
    voice.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """The record and the folder of a reward model that learnt the rows."""
    into = tmp_path_factory.mktemp("trained") / "reward"
    return train_reward(ROWS, base, into, schedule=QUICK), into


def test_the_loss_is_the_one_computed_by_hand():
    import torch

    better, worse, margins = torch.tensor([1.0, -0.5]), torch.tensor([0.2, 0.5]), torch.tensor([0.0, 0.3])

    def hand(gap):
        return math.log(1 + math.exp(-gap))

    assert pair_loss(better, worse, margins).item() == pytest.approx((hand(0.8) + hand(-1.3)) / 2, abs=1e-6)


def test_what_tells_better_from_worse_is_learnt_in_both_languages_and_found_in_unseen_questions(trained):
    record, into = trained
    assert record["dev"]["accuracy"] > 0.9
    assert record["dev"]["accuracy_interval"][0] > 0.75
    assert record["dev"]["pairs"] == record["pairs"]["dev"] == 30
    assert record["loss"][-1] < 0.1 * record["loss"][0]
    assert record["dev"]["mean_margin"] > 1
    assert json.loads((into / RECORD).read_text()) == record
    assert record["base_hash"] and record["pairs_hash"] and record["versions"]["transformers"]


def test_the_folder_gives_a_recipe_the_same_rewards(trained, tmp_path):
    _, into = trained
    row = make_row(1000)

    async def work():
        with Ledger.open(tmp_path / "l.sqlite") as ledger:
            roles = {"reward": ModelSettings(transformers=str(into))}
            async with Models(roles, ledger, Budget(BudgetSettings(), {})) as models:
                desk = models.desk("best_of_n", None, row, "run")
                prompt = row["messages"][:-1]
                return [await desk.reward(prompt, text) for text in (row["messages"][-1]["content"], row["rejected"])]

    better, worse = asyncio.run(work())
    assert files.kind_of(str(into)) == "reward"
    assert better - worse > 1


def test_the_same_pairs_and_seed_give_the_same_weights_whatever_their_order_on_disk(base, tmp_path):
    schedule = Schedule(batch=8, accumulate=1, rate=1e-3)
    train_reward(ROWS[:24], base, tmp_path / "a", schedule=schedule)
    train_reward(ROWS[:24][::-1], base, tmp_path / "b", schedule=schedule)
    assert files.model_digest(str(tmp_path / "a")) == files.model_digest(str(tmp_path / "b"))
    other = train_reward(ROWS[:24], base, tmp_path / "c", schedule=Schedule(batch=8, accumulate=1, rate=1e-3, seed=2))
    assert files.model_digest(str(tmp_path / "c")) != files.model_digest(str(tmp_path / "a"))
    assert other["schedule"]["seed"] == 2


def test_gathering_small_batches_gives_the_step_of_one_large_one(base, tmp_path):
    import torch
    from safetensors.torch import load_file

    made = []
    for name, batch, accumulate in (("large", 8, 1), ("small", 2, 4)):
        train_reward(ROWS[:30], base, tmp_path / name, schedule=Schedule(batch=batch, accumulate=accumulate, rate=1e-3))
        made.append(load_file(tmp_path / name / "model.safetensors"))
    assert all(torch.allclose(made[0][key], made[1][key], atol=1e-4) for key in made[0])


def test_training_goes_on_from_a_reward_model(trained, tmp_path):
    _, into = trained
    record = train_reward(ROWS, into, tmp_path / "more", schedule=Schedule(batch=8, accumulate=1, rate=1e-5))
    assert record["loss"][0] < 0.3, "what was learnt is still there"


def test_an_encoder_without_chat_format_is_a_base_too(tmp_path):
    import torch
    from transformers import BertConfig, BertForMaskedLM

    texts = [m["content"] for row in ROWS for m in row["messages"]]
    tokenizer = make_tokenizer(None, texts)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=0,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    record = train_reward(ROWS, tmp_path / "bert", tmp_path / "reward", schedule=QUICK)
    assert record["dev"]["accuracy"] > 0.9
    assert files.kind_of(str(tmp_path / "reward")) == "reward"


def test_what_is_no_pair_is_left_out_with_its_reason():
    good = make_row(1)
    swapped = {**answered(good, good["rejected"]), "rejected": good["messages"][-1]["content"]}
    rows = [
        make_row(2), make_row(2), make_row(3, rejected=None), make_row(4, rejected=make_row(4)["messages"][-1]["content"]),
        {**make_row(5), "messages": make_row(5)["messages"][:1]}, make_row(6, reviewed="rejected"), good, swapped,
    ]  # fmt: skip
    pairs, left = make_pairs(rows)
    assert [pair.chosen for pair in pairs] == [make_row(2)["messages"][-1]["content"]]
    assert left == {"contradicted": 2, "no_pair": 2, "rejected_by_review": 1, "repeated": 1, "same_answer": 1}


def test_too_few_pairs_are_refused_with_the_reasons(base, tmp_path):
    rows = [*ROWS[:5], *[{**row, "rejected": row["messages"][-1]["content"]} for row in ROWS[5:20]]]
    with pytest.raises(RunError, match="5 pairs to train on, at least 8 are needed; left out: 15 same_answer"):
        train_reward(rows, base, tmp_path / "new")
    with pytest.raises(RunError, match="left out: 60 too_long"):
        train_reward(ROWS[:60], base, tmp_path / "new", schedule=Schedule(tokens=8))
    assert not (tmp_path / "new").exists()


def test_turns_that_the_chat_format_refuses_are_left_out_and_counted(base, tmp_path):
    strict = shutil.copytree(base, tmp_path / "strict")
    refuse = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    (strict / "chat_template.jinja").write_text(refuse + CHAT)
    told = [{**row, "messages": [{"role": "system", "content": "简短。"}, *row["messages"]]} for row in ROWS[:5]]
    record = train_reward([*told, *ROWS[5:25]], strict, tmp_path / "new", schedule=Schedule(batch=8))
    assert record["left_out"] == {"refused_by_chat_format": 5} and sum(record["pairs"].values()) == 20


def test_a_folder_that_is_there_is_not_written_over(base, tmp_path):
    with pytest.raises(RunError, match="is there already"):
        train_reward(ROWS, base, tmp_path)


def test_a_base_without_its_weights_is_refused(base, tmp_path):
    shutil.copytree(base, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"no weights \(\*\.safetensors\)"):
        train_reward(ROWS, tmp_path / "bare", tmp_path / "new")


questions = strategies.sampled_from(["水？", "水 ？", "Light?", "light", "光？", "热？"])
groups = strategies.sampled_from([None, "a", "b", "c"])
parts = strategies.sampled_from([None, None, "train", "dev", "test"])


@given(strategies.lists(strategies.tuples(questions, groups, parts), max_size=20), strategies.integers(0, 5))
def test_no_question_and_no_group_is_in_two_parts(drawn, seed):
    rows = [
        {**answered(asked({}, text), f"good {i}"), "rejected": f"bad {i}", "query_group": group, "split": part}
        for i, (text, group, part) in enumerate(drawn)
    ]
    pairs, _ = make_pairs(rows)
    train, dev = split_pairs(pairs, 0.3, seed)
    seen = [{name for pair in some for name in pair.groups} for some in (train, dev)]
    test = {name for pair in pairs if pair not in train and pair not in dev for name in pair.groups}
    assert not seen[0] & seen[1] and not seen[0] & test and not seen[1] & test
    assert all(pair.part != "test" for pair in [*train, *dev]) and all(pair.part != "dev" for pair in train)
    assert split_pairs(pairs[::-1], 0.3, seed)[0] == train[::-1], "the order of the rows moves nothing"


def test_a_reward_that_only_measures_length_is_seen_as_such():
    turns = ({"role": "user", "content": "?"},)
    pairs = [Pair(turns, "一" * long, "一" * short) for long, short in ((9, 3), (8, 2), (3, 9), (7, 4))]
    found = assess(pairs, [(len(pair.chosen), len(pair.rejected)) for pair in pairs])
    assert found["length_correlation"] > 0.95
    assert found["accuracy"] == found["longer_wins"] == 0.75
    assert found["accuracy_where_the_better_is_shorter"] == 0
    fair = assess(pairs, [(1.0, 0.0)] * 4)
    assert fair["accuracy"] == fair["accuracy_where_the_better_is_shorter"] == 1
    assert fair["length_correlation"] < 0.7


def test_nothing_held_out_is_no_accuracy():
    assert assess([], [])["accuracy"] is None


def test_rows_are_read_from_lines_from_what_export_writes_and_from_a_step_s_folder(tmp_path):
    rows = [make_row(number, margin=0.5) for number in range(3)]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", "utf-8")
    trl = tmp_path / "dpo.jsonl"
    trl.write_text(
        "\n".join(
            json.dumps(
                {
                    "prompt": row["messages"][:1],
                    "chosen": row["messages"][1:],
                    "rejected": [{"role": "assistant", "content": row["rejected"]}],
                    "margin": 0.5,
                }
            )
            for row in rows
        )
    )
    stage = tmp_path / "03-preference"
    stage.mkdir()
    columns = ("id", "lang", "messages", "rejected", "margin")
    write_shard(stage / "00000.parquet", rows, schema_of(columns), Seal("s", "f"))
    (stage / "dropped.parquet").write_bytes((stage / "00000.parquet").read_bytes())
    made = [make_pairs(read_rows(place))[0] for place in (lines, trl, stage, stage / "00000.parquet")]
    assert made[0] == made[1] == made[2] == made[3] and len(made[0]) == 3
    assert made[0][0].margin == 0.5


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"messages": 3}', '{"messages": [{"role": "user"}]}', '{"messages": [], "rejected": 3}',
             '{"prompt": [], "chosen": [], "rejected": []}'],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    (tmp_path / "rows.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(RunError, match=r"rows.jsonl:2: is no pair"):
        read_rows(tmp_path / "rows.jsonl")


def test_the_command_trains_and_prints_what_came_of_it(base, tmp_path, capsys):
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in ROWS[:40]), "utf-8")
    command = [str(lines), "--base", str(base), "--into", str(tmp_path / "new"), "--held-out", "0.2", "--rate", "0.001"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["pairs"] == {"train": 32, "dev": 8, "test": 0}
    assert main(command) == 1
    assert "is there already; name a new folder" in capsys.readouterr().err


RECIPE = """\
name: best
lang: zh
models:
  teacher: {scripted: said.yaml}
  reward: {transformers: reward}
streams:
  rows:
    - samples: {file: rows.jsonl}
    - best_of_n: {n: 4, to_reward: reward}
"""


def test_best_of_n_takes_the_answer_that_the_trained_model_prefers(trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / "reward")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": "7 水光？", "output": ""}) + "\n", "utf-8")
    good = "水热沸腾见第三条。"
    (tmp_path / "said.yaml").write_text(f"rules:\n  - say: [水光热速度每秒, 热水沸腾, {good}, 光速度一百度]\n", "utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    manifest = run_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run")
    stage = tmp_path / "run" / "streams" / "rows" / "03-best_of_n"
    (row,) = read_rows(stage)
    assert answer(row) == good
    assert row["score"] == max(row["scores"]) and len(set(row["scores"])) == 4
    assert manifest["calls"]["reward"]["calls"] == 4
    (pair,) = make_pairs(read_rows(stage))[0]
    assert (pair.chosen, pair.rejected) == (good, row["rejected"]), "what it leaves can be trained on again"
