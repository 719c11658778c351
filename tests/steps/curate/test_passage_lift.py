"""A model that reads passage, question and answer tells an answer from a true statement about something else."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import ScriptedDesk, sample
from sftmill.core import Drop, TokenScores
from sftmill.steps.curate.grounding.calibration import with_lifts, with_support
from sftmill.steps.curate.grounding.grounded import Grounded
from sftmill.steps.curate.grounding.lifts import OPENING, compare, said_by
from sftmill.steps.curate.grounding.passage_lift import _HOPELESS, PassageLift

PASSAGE = {
    "zh": "苗圃的喷灌系统每天早晨六点启动，由老周负责。温室的风机则由老郑每周检查一次。",
    "en": "The sprinklers of the nursery start at six each morning; Walter looks after them. The fans are checked by Grace.",
}
ASKED = {"zh": "谁负责苗圃的喷灌系统？", "en": "Who looks after the sprinklers of the nursery?"}
SAID = {"zh": "老周", "en": "Walter"}


class Desk(ScriptedDesk):
    """A desk whose scorer gives each character a score by the kind of its prefix."""

    def __init__(self, step, row, values):
        super().__init__("passage_lift", step, row, None)
        self.values, self.scored = values, []

    async def score(self, prefix, continuation, *, to="scorer"):
        kind = len(self.scored)
        self.scored.append((prefix, continuation, to))
        return TokenScores(list(continuation), [self.values[kind]] * len(continuation))


def lifted(lang, values=(-1.0, -3.0, -6.0), said=None, **more):
    settings = {name: more.pop(name) for name in list(more) if name in PassageLift.model_fields}
    row = sample(ASKED[lang], said or SAID[lang], lang=lang, passage=PASSAGE[lang], **more)
    step = PassageLift(**settings)
    desk = Desk(step, row, values)
    return asyncio.run(step.row(row, desk)), desk


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_answer_is_scored_after_both_the_passage_alone_and_the_question_alone(lang):
    made, desk = lifted(lang)
    both, passage, question = (prefix for prefix, _, _ in desk.scored)
    assert both.startswith(PASSAGE[lang]) and ASKED[lang] in both
    assert passage.startswith(PASSAGE[lang]) and ASKED[lang] not in passage
    assert PASSAGE[lang] not in question and ASKED[lang] in question
    assert {said for _, said, _ in desk.scored} == {SAID[lang] if lang == "zh" else " " + SAID[lang]}
    size = len(SAID[lang])
    assert made["question_lift"] == pytest.approx(2 * size)
    assert made["passage_lift"] == pytest.approx(5)
    assert made["answer_opening"] == pytest.approx(-min(size, OPENING))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_frame_and_a_last_full_stop_are_not_scored(lang):
    framed = {"zh": "根据资料，答案是老周。", "en": "According to the passage, the answer is Walter."}[lang]
    _, desk = lifted(lang, said=framed)
    assert desk.scored[0][1].strip() == SAID[lang]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_the_vetoes_refuse_is_not_scored(lang):
    wrong = {"zh": "老周和另外 12 名工人", "en": "Walter and 12 other workers"}[lang]
    made, desk = lifted(lang, said=wrong)
    assert not desk.scored and made["question_lift"] is None and made["passage_lift"] is None
    made, desk = lifted(lang, said=wrong, skip_hopeless=False)
    assert len(desk.scored) == 3 and made["question_lift"] is not None


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_best_reading_does_not_save_what_is_not_scored(lang):
    foreign = {"zh": "海边的灯塔看守人", "en": "the keeper of a lighthouse"}[lang]
    made, desk = lifted(lang, said=foreign)
    assert not desk.scored and made["answer_opening"] is None
    assert with_lifts(_HOPELESS, 1e9, 0.0) < Grounded.model_fields["threshold"].default


def test_of_a_long_passage_the_fitting_part_is_read():
    long = "走廊的灯每晚七点亮起。" * 100 + PASSAGE["zh"]
    row = sample(ASKED["zh"], SAID["zh"], passage=long)
    step = PassageLift(longest_passage=200)
    desk = Desk(step, row, (-1.0, -1.0, -1.0))
    asyncio.run(step.row(row, desk))
    assert "老周" in desk.scored[0][0] and len(desk.scored[0][0]) < 260


def test_no_passage_and_no_answer_are_not_scored():
    for row in (sample("问？", "答", passage=None), sample("问？", "。", passage="答在这里。")):
        step = PassageLift(skip_hopeless=False)
        desk = Desk(step, row, (-1.0, -1.0, -1.0))
        made = asyncio.run(step.row(row, desk))
        assert made["answer_opening"] is None and not desk.scored


def test_words_that_the_question_says_are_left_out():
    assert said_by("谁负责喷灌？", "老周负责。") == [False, False, True, True, True]
    assert said_by("Who looks after it?", "Walter looks") == [False] * 6 + [True] * 6
    assert said_by("誰負責？", "负责人") == [True, True, False], "whatever the characters"
    both, passage = TokenScores(["老周", "负责"], [-1.0, -0.1]), TokenScores(["老周", "负责"], [-3.0, -9.0])
    found = compare("老周负责", "谁负责？", both, passage, passage)
    assert (found.question, found.passage, found.opening) == (2.0, 2.0, -1.0)


def test_an_answer_of_the_questions_own_words_counts_whole():
    scores = TokenScores(["甲"], [-1.0])
    assert compare("甲方", "甲方还是乙方？", scores, scores, scores).opening == -1.0


def test_tokens_of_half_a_character_count_with_their_character():
    scores = TokenScores(["\ufffd", "\ufffd", "负责"], [-1.0, -2.0, -4.0])
    none = TokenScores(["\ufffd", "\ufffd", "负责"], [-2.0, -4.0, -4.0])
    found = compare("鱻负责", "谁负责？", scores, none, none)
    assert found.opening == -3.0 and found.question == 3.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_character_is_said_or_not(question, answer):
    assert len(said_by(question, answer)) == len(answer)


@given(st.text(min_size=1, max_size=30), st.integers(1, 4))
def test_lifts_are_found_however_the_answer_is_cut(answer, size):
    pieces = [answer[i : i + size] for i in range(0, len(answer), size)]
    one, other = TokenScores(pieces, [-1.0] * len(pieces)), TokenScores(pieces, [-2.0] * len(pieces))
    found = compare(answer, "", one, other, other)
    assert found.passage == pytest.approx(1) and found.question >= 1


def grounded(lang, said, **more):
    row = sample(ASKED[lang], said, lang=lang, passage=PASSAGE[lang], **more)
    return Grounded(drop=False).row(row)["grounded"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_grounded_takes_the_readings_into_its_score(lang):
    plain = grounded(lang, SAID[lang])
    likely = grounded(lang, SAID[lang], question_lift=9.0, answer_opening=-0.5, passage_lift=3.0)
    unlikely = grounded(lang, SAID[lang], question_lift=-15.0, answer_opening=-20.0, passage_lift=3.0)
    assert unlikely < plain - 0.1 and unlikely < likely - 0.1
    assert grounded(lang, SAID[lang], question_lift=None, answer_opening=None, support=None) == plain
    assert grounded(lang, SAID[lang], support=0.05) < plain < grounded(lang, SAID[lang], support=0.99)
    assert grounded(lang, SAID[lang], support=0.5) == pytest.approx(plain, abs=2e-3)


def test_a_drop_says_that_the_reading_was_against_it():
    row = sample(ASKED["zh"], SAID["zh"], passage=PASSAGE["zh"], question_lift=-30.0, answer_opening=-40.0)
    with pytest.raises(Drop) as lost:
        Grounded().row(row)
    assert lost.value.reason == "unsupported" and "model" in lost.value.facts["why"]
    row = sample(ASKED["zh"], SAID["zh"], passage=PASSAGE["zh"], support=0.0)
    with pytest.raises(Drop) as lost:
        Grounded(support_weight=2).row(row)
    assert "judged" in lost.value.facts["why"]
    assert Grounded(support_weight=0).row(row)["grounded"] > 0.5


@given(st.floats(0, 1), st.floats(-50, 50), st.floats(-90, 0), st.floats(0, 1))
def test_scores_stay_probabilities_and_follow_each_reading(score, lift, opening, support):
    read = with_lifts(score, lift, opening)
    assert 0 <= read <= 1 and 0 <= with_support(score, support, 0.5) <= 1
    assert with_lifts(score, lift + 1, opening) >= read <= with_lifts(score, lift, opening + 1)


def test_the_reading_without_the_passage_can_be_left_out():
    made, desk = lifted("zh", without_passage=False)
    assert len(desk.scored) == 2 and made["passage_lift"] is None and made["question_lift"] == 4
    assert PassageLift(without_passage=False).demand().calls == {"scorer": 2}
    assert PassageLift().demand().calls == {"scorer": 3}
