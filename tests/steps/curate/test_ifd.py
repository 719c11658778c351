"""How little a question helps to say the answer: two ratios, known answers, and what is not measured."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import ScriptedDesk, sample
from sftmill.core import Drop, TokenScores
from sftmill.errors import ContextTooLong
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.in_process_files import misplaced, missing_packages
from sftmill.models.ledger import Ledger
from sftmill.models.model_files import cache_path, look_up
from sftmill.models.settings import BudgetSettings, ModelSettings
from sftmill.steps.curate.quality.difficulty import difficulty, mean_loss
from sftmill.steps.curate.quality.ifd import Ifd

ASKED = {"zh": "为什么要定期更换机房的空调滤网？", "en": "Why are the air filters of a server room replaced?"}
SAID = {
    "zh": "滤网积灰后风量变小，机房会过热。",
    "en": "Dust on the filters reduces the air flow, and the room overheats.",
}


class Desk(ScriptedDesk):
    """Scores a continuation by `loss(prefix, continuation)`, nats per token, one character to a token."""

    def __init__(self, step, row, loss):
        super().__init__("ifd", step, row, None)
        self.loss, self.scored = loss, []

    async def score(self, prefix, continuation, *, to="scorer"):
        self.scored.append((prefix, continuation, to))
        return TokenScores(list(continuation), [-self.loss(prefix, continuation)] * len(continuation))


def asked_or_not(after, alone):
    return lambda prefix, _: after if len(prefix) > 8 else alone


def measure(row, loss, **settings):
    step = Ifd(**settings)
    desk = Desk(step, row, loss)
    try:
        return asyncio.run(step.row(row, desk)), desk
    except Drop as drop:
        return drop, desk


def test_the_known_answers_of_both_definitions():
    assert difficulty(2.0, 2.5, "loss_ratio") == pytest.approx(0.80)
    assert difficulty(2.0, 2.5, "perplexity_ratio") == pytest.approx(0.6065, abs=1e-4)
    assert mean_loss(TokenScores(["a", "b"], [-1.5, -2.5])) == 2.0
    assert mean_loss(TokenScores([], [])) is None
    assert mean_loss(TokenScores(["a"], [float("nan")])) is None
    assert difficulty(0.5, 0.0, "loss_ratio") is None
    assert difficulty(1e9, 0.0, "perplexity_ratio") > 1e40


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(("definition", "ifd"), [("perplexity_ratio", math.exp(-0.5)), ("loss_ratio", 0.8)])
def test_the_answer_is_scored_after_the_question_and_alone(lang, definition, ifd):
    made, desk = measure(sample(ASKED[lang], SAID[lang], lang=lang), asked_or_not(2.0, 2.5), definition=definition)
    assert made["ifd"] == pytest.approx(ifd, abs=1e-5)
    assert (made["answer_loss"], made["answer_loss_alone"]) == (2.0, 2.5)
    (alone, *_), (asked, *_) = desk.scored
    assert ASKED[lang] in asked and ASKED[lang] not in alone and asked.endswith(alone) and len(alone) < 9
    assert {said for _, said, _ in desk.scored} == {SAID[lang] if lang == "zh" else " " + SAID[lang]}


def test_a_question_that_does_not_help_is_exactly_one_and_goes():
    row = sample(ASKED["zh"], SAID["zh"])
    lost, _ = measure(row, lambda *_: 1.7)
    assert lost.reason == "not_helped" and lost.facts == {"ifd": 1.0, "answer_loss": 1.7, "answer_loss_alone": 1.7}
    for definition in ("perplexity_ratio", "loss_ratio"):
        assert measure(row, lambda *_: 1.7, drop_from=None, definition=definition)[0]["ifd"] == 1.0
    assert isinstance(measure(row, asked_or_not(1.9, 1.7))[0], Drop)
    assert measure(row, asked_or_not(1.69, 1.7))[0]["ifd"] < 1


def test_the_two_definitions_order_rows_differently():
    pairs = [(2.0, 2.5), (0.1, 0.4)]
    perplexity = [difficulty(*pair, "perplexity_ratio") for pair in pairs]
    loss = [difficulty(*pair, "loss_ratio") for pair in pairs]
    assert perplexity[0] < perplexity[1] and loss[0] > loss[1]


def test_short_answers_and_long_questions_are_not_measured():
    made, desk = measure(sample("多少？", "三"), lambda *_: 9.0)
    assert made["ifd"] is None and made["answer_loss"] is None and len(desk.scored) == 1
    lost, _ = measure(sample("多少？", "三"), lambda *_: 9.0, missing="drop")
    assert lost.reason == "not_measured"
    made, desk = measure(sample("问" * 300, SAID["zh"]), lambda *_: 1.0, longest=200)
    assert made["ifd"] is None and not desk.scored
    for row in (sample("", SAID["zh"]), sample("问", "")):
        assert measure(row, lambda *_: 1.0)[0]["ifd"] is None


def test_a_long_answer_is_read_from_its_beginning():
    _, desk = measure(sample("问？", "答" * 500), asked_or_not(1, 2), longest_answer=100)
    assert [len(said) for _, said, _ in desk.scored] == [100, 100]


def test_what_is_too_long_for_the_model_and_what_is_no_number_are_not_measured():
    def too_long(prefix, _):
        raise ContextTooLong("too long; shorten it")

    assert measure(sample(ASKED["zh"], SAID["zh"]), too_long)[0]["ifd"] is None
    assert measure(sample(ASKED["zh"], SAID["zh"]), lambda *_: float("inf"))[0]["ifd"] is None


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_earlier_turns_stand_before_the_last_question(lang):
    row = sample(ASKED[lang], SAID[lang], lang=lang)
    earlier = [
        {"role": "system", "content": "S1"},
        {"role": "user", "content": "U1"},
        {"role": "assistant", "content": "A1"},
    ]
    row["messages"] = [*earlier, *row["messages"]]
    _, desk = measure(row, asked_or_not(1, 2))
    asked = desk.scored[1][0]
    assert -1 < asked.find("S1") < asked.find("U1") < asked.find("A1") < asked.find(ASKED[lang])


def test_calls_are_forecast():
    assert Ifd().demand().calls == {"scorer": 2} and Ifd(to_scorer="small").roles() == ("small",)


def test_only_models_that_give_log_probabilities_may_be_named():
    assert misplaced(Ifd(), "scorer", "causal") == []
    assert misplaced(Ifd(), "scorer", None) == misplaced(Ifd(), "scorer", "reward") == ["to_scorer"]


@given(st.floats(0.01, 20), st.floats(0.01, 20))
def test_both_ratios_are_on_the_same_side_of_one(after, alone):
    ratios = [difficulty(after, alone, definition) for definition in ("perplexity_ratio", "loss_ratio")]
    assert all((ratio < 1) == (after < alone) for ratio in ratios if abs(after - alone) > 1e-9)


PAIRS = {
    "zh": [
        ("怎样清洗沾了油的棉布衬衫？", "先在油渍上涂洗洁精，静置十分钟，再用温水揉搓，最后和其他衣物一起机洗。"),
        ("为什么冬天的白天比较短？", "因为这时北半球背向太阳倾斜，阳光照到的时间少，太阳升得晚、落得早。"),
    ],
    "en": [
        ("How do I get a grease stain out of a cotton shirt?", "Rub dish soap into the stain, wait, and wash it warm."),
        ("Why are the days so short in winter?", "Because our half of the Earth then leans away from the Sun."),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_real_model_is_helped_by_its_own_question_and_not_by_another(tmp_path, lang):
    name = "qwen2.5-coder-0.5b-instruct"
    if missing_packages(name) or not cache_path(look_up(name)).is_file():
        pytest.skip(f"needs the extra `train` and the model: sftmill model fetch {name}")
    (first, one), (second, other) = PAIRS[lang]
    rows = [sample(asked, said, lang=lang, root="r", sensitivity="public") for asked, said in PAIRS[lang]]
    rows += [sample(second, one, lang=lang, root="r"), sample(first, other, lang=lang, root="r")]
    rows.append(sample(f"{first} {one}", one, lang=lang, root="r"))
    step = Ifd(drop_from=None)

    async def work():
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            roles = {"scorer": ModelSettings(transformers=name)}
            async with Models(roles, ledger, Budget(BudgetSettings(), {})) as models:
                return [(await step.row(row, models.desk("ifd", step, row, "run")))["ifd"] for row in rows]

    right_one, right_other, wrong_one, wrong_other, repeated = asyncio.run(work())
    assert right_one < wrong_one and right_other < wrong_other
    assert max(right_one, right_other) < 1 and repeated < 0.5
