"""Fine-tuning and use of real, tiny T5 and BART models: they learn, the same way each time, and the step uses them."""

import asyncio
import shutil
from random import Random
from types import SimpleNamespace

import orjson
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from sftmill.core import Dropped, answer, answered, asked, question  # noqa: E402
from sftmill.errors import ModelFileError, RunError  # noqa: E402
from sftmill.steps.instruct.seq2seq.seq2seq import Seq2Seq  # noqa: E402
from sftmill.steps.instruct.seq2seq.seq2seq_model import Writer, knows_highlight, load, model_files  # noqa: E402
from sftmill.train.seq2seq import Schedule, adapt_seq2seq, hash_files, train_seq2seq  # noqa: E402
from tiny_seq2seq import make_base  # noqa: E402

pytestmark = pytest.mark.slow

ZH = dict(
    zip(
        ["锅炉", "水泵", "风机", "阀门", "粮仓", "反应釜"],
        ["1952", "1978", "1986", "1994", "2003", "2011"],
        strict=True,
    )
)
EN = dict(
    zip(
        ["boiler", "pump", "fan", "valve", "silo", "crane"],
        ["1952", "1978", "1986", "1994", "2003", "2011"],
        strict=True,
    )
)


def reviewed_rows():
    rows = []
    for name, year in ZH.items():
        row = {"lang": "zh", "passage": f"{name}于{year}年投入使用。", "reviewed": "accepted"}
        rows.append(answered(asked(row, f"{name}是哪一年投入使用的？"), f"{year}年"))
    for name, year in EN.items():
        row = {"lang": "en", "passage": f"The {name} was put into service in {year}.", "reviewed": "edited"}
        rows.append(answered(asked(row, f"When was the {name} put into service?"), year))
    return rows


def texts():
    return [
        row["passage"] + question(row) + " extract answers: generate question: and, answer: | 填空：____"
        for row in reviewed_rows()
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"), texts())


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    schedule = Schedule(epochs=40, batch=6, rate=3e-3, held_out=0, device="cpu")
    return out, train_seq2seq(reviewed_rows(), base, out, schedule=schedule)


def run_step(step, rows):
    async def collect():
        return [item async for item in step.run({"rows": SimpleNamespace(rows=lambda: iter(rows))}, None)]

    return asyncio.run(collect())


def source_rows():
    return [
        {"id": str(i), "root": str(i), "lang": row["lang"], "passage": row["passage"]}
        for i, row in enumerate(reviewed_rows())
    ]


def test_a_model_learns_both_tasks_in_both_languages_and_the_step_gives_the_pairs_back(trained):
    out, record = trained
    assert record["loss"][-1] < 0.1 < record["loss"][0]
    step = Seq2Seq(model=out, device="cpu")
    assert step.problems() == []
    made = run_step(step, source_rows())
    wanted = {(question(row), answer(row)) for row in reviewed_rows()}
    found = {(question(row), answer(row)) for row in made if not isinstance(row, Dropped)}
    assert len(found & wanted) >= 10, "of 12 pairs trained on"
    for row in made:
        assert row["passage"][row["answer_start"] :].startswith(answer(row))
    assert run_step(step, source_rows()) == made


def test_a_model_learns_to_copy_what_it_never_saw(tmp_path):
    random = Random(0)
    rows = []
    for _ in range(150):
        name, year = random.choice(list(ZH)), random.randrange(1900, 2030)
        row = asked({"passage": f"{name}于{year}年投产。", "reviewed": "accepted"}, f"{name}何时投产？")
        rows.append(answered(row, f"{year}年"))
        name, year = random.choice(list(EN)), random.randrange(1900, 2030)
        row = asked(
            {"passage": f"The {name} was built in {year}.", "reviewed": "accepted"}, f"When was the {name} built?"
        )
        rows.append(answered(row, str(year)))
    base = make_base(tmp_path / "base", [row["passage"] + question(row) + " extract answers: generate" for row in rows])
    schedule = Schedule(epochs=100, steps=300, batch=32, rate=3e-3, beams=2, device="cpu")
    exact = train_seq2seq(rows, base, tmp_path / "model", schedule=schedule)["held_out_exact"]
    assert exact["question"]["exact"] >= 0.7 * exact["question"]["of"] >= 14
    assert exact["answers"]["exact"] >= 0.25 * exact["answers"]["of"] >= 5


def test_the_batch_size_changes_the_time_and_not_the_pairs(trained):
    out, _ = trained
    assert run_step(Seq2Seq(model=out, device="cpu", batch=1), source_rows()[4:8]) == run_step(
        Seq2Seq(model=out, device="cpu", batch=4), source_rows()[4:8]
    )


def test_the_record_says_what_the_model_was_trained_on(trained, base):
    out, record = trained
    assert orjson.loads((out / "training.json").read_bytes()) == record
    assert record["base_hash"] == hash_files(model_files(base))
    assert record["rows"] == {"accepted": 6, "edited": 6}
    assert record["examples"] == {"answers": 12, "question": 12}
    assert record["schedule"]["seed"] == 1
    assert {path.suffix for path in out.iterdir()} <= {".json", ".safetensors"}
    assert knows_highlight(out) and not knows_highlight(base)
    assert "knows no <hl>" in Seq2Seq(model=base).problems()[0]


def test_the_same_seed_gives_the_same_weights_and_what_is_held_out_is_counted(base, tmp_path):
    schedule = Schedule(steps=6, batch=4, held_out=0.25, beams=1, device="cpu")
    rows = reviewed_rows()
    records = [train_seq2seq(rows, base, tmp_path / name, schedule=schedule) for name in ("a", "b")]
    assert records[0] == records[1]
    weights = [hash_files([tmp_path / name / "model.safetensors"]) for name in ("a", "b")]
    assert weights[0] == weights[1]
    assert records[0]["held_out"] == {"answers": 3, "passages": 3, "question": 3}
    assert {task: count["of"] for task, count in records[0]["held_out_exact"].items()} == {"answers": 3, "question": 3}
    assert records[0]["held_out_loss"] > 0
    other = train_seq2seq(rows, base, tmp_path / "c", schedule=Schedule(steps=6, batch=4, seed=2, device="cpu"))
    assert other["loss"] != records[0]["loss"]


def test_raw_text_adapts_a_model_which_is_then_a_base(base, tmp_path):
    schedule = Schedule(epochs=30, batch=6, rate=3e-3, held_out=0, device="cpu")
    passages = [row["passage"] for row in reviewed_rows()]
    record = adapt_seq2seq(
        passages, base, tmp_path / "adapted", objectives=("corruption", "masked", "completion"), schedule=schedule
    )
    assert record["examples"]["corruption"] == 12 and set(record["examples"]) == {"completion", "corruption", "masked"}
    assert record["loss"][-1] < record["loss"][0] / 2
    after = train_seq2seq(reviewed_rows(), tmp_path / "adapted", tmp_path / "model", schedule=Schedule(steps=1))
    assert after["base"] == "adapted"


def test_a_bart_model_is_trained_and_used_without_prefixes(tmp_path):
    base = make_base(tmp_path / "bart", texts(), kind="bart")
    schedule = Schedule(epochs=30, batch=6, rate=3e-3, held_out=0, device="cpu")
    record = train_seq2seq(reviewed_rows(), base, tmp_path / "model", schedule=schedule)
    assert record["loss"][-1] < record["loss"][0] / 2
    tokenizer, model = load(tmp_path / "model")
    assert Writer(tokenizer, model).prefixed is False
    made = run_step(Seq2Seq(model=tmp_path / "model", device="cpu"), source_rows()[:2])
    assert {row["parents"][0] for row in made if not isinstance(row, Dropped)} <= {"0", "1"}
    with pytest.raises(RunError, match="no <extra_id_0>"):
        adapt_seq2seq(["锅炉于1952年投入使用。"], base, tmp_path / "adapted")


def test_pairs_at_once_are_learnt_too(base, tmp_path):
    schedule = Schedule(epochs=40, batch=6, rate=3e-3, held_out=0, device="cpu")
    train_seq2seq(reviewed_rows(), base, tmp_path / "model", tasks=("pairs",), schedule=schedule)
    made = run_step(Seq2Seq(model=tmp_path / "model", answers="pairs", device="cpu"), source_rows())
    wanted = {(question(row), answer(row)) for row in reviewed_rows()}
    assert len({(question(r), answer(r)) for r in made if not isinstance(r, Dropped)} & wanted) >= 8


def test_a_model_of_the_hub_is_found_on_this_machine_alone(base, tmp_path, monkeypatch):
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    shutil.copytree(base, cached / "snapshots" / commit)
    step = Seq2Seq(hub="owner/name", answers="pairs")
    assert step.problems() == []
    assert {path.suffix for path in step.files()} == {".json", ".safetensors"}
    assert Seq2Seq(hub="owner/name", revision=commit, answers="pairs").problems() == []
    assert "is not on this machine" in Seq2Seq(hub="owner/other").problems()[0]
    assert "is not on this machine" in Seq2Seq(hub="../../etc").problems()[0]


def test_pickled_weights_are_refused(base, tmp_path):
    for path in base.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="pickled"):
        load(tmp_path)
    with pytest.raises(ModelFileError, match="pickled"):
        train_seq2seq(reviewed_rows(), tmp_path, tmp_path / "out")


def test_a_model_without_words_for_the_language_is_refused_before_training(tmp_path):
    base = make_base(tmp_path / "english", [text for text in texts() if text.isascii()])
    chinese = [row for row in reviewed_rows() if row["lang"] == "zh"]
    with pytest.raises(RunError, match="cannot write 12 of the 12 texts"):
        train_seq2seq(chinese, base, tmp_path / "out")


def test_a_t5_whose_configuration_leaves_out_the_start_of_the_decoder_begins_with_padding(base, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(base, folder)
    for name in ("config.json", "generation_config.json"):
        config = orjson.loads((folder / name).read_bytes())
        config.pop("decoder_start_token_id", None)
        (folder / name).write_bytes(orjson.dumps(config))
    whole, bare = Writer(*load(base)), Writer(*load(folder))
    assert bare.write(["锅炉"], 64, 8) == whole.write(["锅炉"], 64, 8)


def test_damaged_weights_are_told_as_such(base, tmp_path):
    for path in base.iterdir():
        (tmp_path / path.name).write_bytes(
            path.read_bytes()[:2000] if path.suffix == ".safetensors" else path.read_bytes()
        )
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load(tmp_path)


def test_nothing_is_written_over_and_nothing_comes_of_rows_without_use(base, tmp_path):
    with pytest.raises(RunError, match="is there already"):
        train_seq2seq(reviewed_rows(), base, base)
    foreign = [answered(row, "别处") for row in reviewed_rows()]
    with pytest.raises(RunError, match="nothing to train on"):
        train_seq2seq(foreign, base, tmp_path / "out")
    with pytest.raises(RunError, match="reviewed by nobody"):
        train_seq2seq([{**row, "reviewed": None} for row in reviewed_rows()], base, tmp_path / "out")
    assert not (tmp_path / "out").exists()
