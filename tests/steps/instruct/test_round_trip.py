"""RoundTrip on a scripted answerer: a good pair stays; a wrong, ambiguous or self-answering one goes."""

import asyncio
from itertools import combinations
from pathlib import Path

import orjson
import pytest

from sftmill.core import Drop, Reply, answered, asked
from sftmill.models.prompt import Prompts
from sftmill.steps.instruct.seq2seq.round_trip import Bounds, FoundAnswers, RoundTrip, compare

PASSAGES = {
    "zh": "一号仓建于1994年。一号仓熏蒸后须密闭14天，二号仓熏蒸后须密闭21天。",
    "en": "Store 1 was built in 1994. After fumigation, store 1 stays sealed for 14 days and store 2 for 21 days.",
}
LONG = {
    "zh": "先关闭进料阀并切断电源，再等待至少15分钟让压力降到零，然后由两名操作人员共同打开检修门，并挂上警示牌。",
    "en": "First close the feed valve and cut the power, then wait at least 15 minutes until the pressure is zero, and "
    "then two operators open the inspection door together and hang up the warning sign.",
}


class FakeDesk:
    """Renders the packaged prompt and gives the answers of a script, one list per draw."""

    def __init__(self, step, row, draws):
        self.step, self.row, self.draws, self.calls = step, row, draws, []

    def prompt(self, name, **values):
        absent = dict.fromkeys(self.step.may_read)
        known = {**absent, **self.step.model_dump(), **self.row, **values}
        return Prompts().render("round_trip", name, self.row["lang"], known)

    async def ask(self, prompt, *, to="teacher", n=1, schema=None, sampling=None):
        self.calls.append((prompt, to, n, sampling))
        return [Reply(text="", data=schema(answers=said)) for said in self.draws[:n]]


def round_trip(lang, question, answer, *draws, **settings):
    step = RoundTrip(**settings)
    row = answered(asked({"lang": lang, "passage": PASSAGES[lang], "title_path": ["粮库"]}, question), answer)
    desk = FakeDesk(step, row, list(draws))
    try:
        return asyncio.run(step.row(row, desk))["agreement"], desk
    except Drop as drop:
        return drop.reason, desk


@pytest.mark.parametrize(
    ("lang", "good", "wrong", "ambiguous", "holding"),
    [
        (
            "zh",
            ("一号仓建于哪一年？", "1994年", ["1994"]),
            ("二号仓熏蒸后须密闭多少天？", "14天", ["21 天"]),
            ("熏蒸后须密闭多少天？", "14天", ["14天", "21天"]),
            ("建于1994年的一号仓建于哪一年？", "1994年", ["1994年"]),
        ),
        (
            "en",
            ("When was store 1 built?", "in 1994", ["1994"]),
            ("How long does store 2 stay sealed?", "14 days", ["21 days"]),
            ("How long does a store stay sealed?", "14 days", ["fourteen days", "21 days"]),
            ("When was store 1, built in 1994, built?", "1994", ["1994"]),
        ),
    ],
)
def test_of_four_triples_only_the_good_one_is_kept(lang, good, wrong, ambiguous, holding):
    assert round_trip(lang, *good)[0] == 1.0
    assert round_trip(lang, *wrong)[0] == "inconsistent"
    assert round_trip(lang, *ambiguous)[0] == "ambiguous"
    reason, desk = round_trip(lang, *holding)
    assert reason == "answer_in_question"
    assert not desk.calls, "nothing is asked where the question alone decides"


@pytest.mark.parametrize(("lang", "absent"), [("zh", "资料未提及"), ("en", "not in the material")])
def test_what_the_answerer_does_not_find_is_unanswerable(lang, absent):
    for said in ([], [""], [absent]):
        assert round_trip(lang, "谁?" if lang == "zh" else "Who?", "Zhang", said)[0] == "unanswerable"


def test_a_span_is_asked_for_once_at_temperature_0_from_the_passage_and_not_from_the_answer():
    _, desk = round_trip("zh", "一号仓建于哪一年？", "1994年", ["1994"], to="checker")
    prompt, to, n, sampling = desk.calls[0]
    assert (to, n, sampling.temperature) == ("checker", 1, 0.0)
    shown = prompt[-1]["content"]
    assert PASSAGES["zh"] in shown and "一号仓建于哪一年？" in shown and "粮库" in shown


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_long_answer_is_drawn_three_times_and_two_must_agree(lang):
    asks, same, other = {
        "zh": ("检修前该怎么做？", LONG["zh"].replace("先", "首先"), "直接打开检修门。"),
        "en": ("What is done before an inspection?", LONG["en"].replace("First c", "C"), "Just open the door."),
    }[lang]
    found, desk = round_trip(lang, asks, LONG[lang], [same], [other], [LONG[lang]])
    assert found == pytest.approx(2 / 3)
    assert desk.calls[0][2] == 3 and desk.calls[0][3].temperature == 0.7
    assert round_trip(lang, asks, LONG[lang], [same], [other], [other])[0] == "inconsistent"
    changed = LONG[lang].replace("15", "50")
    assert round_trip(lang, asks, LONG[lang], [changed], [changed], [changed])[0] == "inconsistent"


BOUNDS = Bounds(0.8, 0.5)


@pytest.mark.parametrize(
    ("given_answer", "found", "outcome"),
    [
        ("北京", ["北京市"], "same"),
        ("甲、乙和丙", ["甲和丙"], "inconsistent"),
        ("甲、乙、丙", ["甲", "乙", "丙"], "same"),
        ("压力应超过额定值的两倍", ["压力不应超过额定值的两倍"], "inconsistent"),
        ("合金的熔点为1234.5K左右", ["合金的熔点为1235.5K左右"], "inconsistent"),
        ("14天", ["14天", "十四天"], "same"),
        ("the Yunxi works", ["Yunxi works"], "same"),
        ("must be closed", ["must not be closed"], "inconsistent"),
    ],
)
def test_spans_are_compared_by_run_value_and_negation(given_answer, found, outcome):
    assert compare(given_answer, found, True, BOUNDS) == outcome


def test_the_generator_cannot_be_its_own_answerer_and_bounds_must_make_sense():
    assert RoundTrip().problems() == []
    assert "also wrote the pairs" in RoundTrip(to="teacher").problems()[0]
    assert "also wrote the pairs" in RoundTrip(to="writer", generator="writer").problems()[0]
    assert RoundTrip(to="teacher", generator=None).problems() == []
    assert "more than draws" in RoundTrip(draws=1).problems()[0]
    assert RoundTrip(to="checker").roles() == ("checker",)


def test_a_row_without_question_or_answer_is_no_pair():
    assert round_trip("zh", " ", "1994年")[0] == "no_pair"
    assert round_trip("zh", "何时？", " ")[0] == "no_pair"


def test_a_reply_of_another_form_is_refused():
    with pytest.raises(ValueError):
        FoundAnswers.model_validate({"answers": "1994"})


QA = Path(__file__).resolve().parents[3] / "../shared/data/qa/passages_qa.jsonl"


@pytest.mark.skipif(not QA.is_file(), reason="the shared question-answer data are not here")
def test_answers_to_other_questions_of_a_passage_are_hardly_ever_taken_for_the_same():
    answers: dict[str, dict[str, None]] = {}
    for line in QA.read_bytes().splitlines():
        value = orjson.loads(line)
        answers.setdefault(value["passage"], {})[value["answers"][0]] = None
    pairs = [pair for group in answers.values() for pair in combinations(group, 2)]
    same = [pair for pair in pairs if compare(pair[0], [pair[1]], True, BOUNDS) == "same"]
    assert len(pairs) > 2000 and len(same) <= 0.005 * len(pairs)
