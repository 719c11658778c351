"""Each sentence of an answer is held against the passage by a model, and nothing unjudged counts as supported."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import ScriptedDesk, run, sample
from sftmill.core import Drop, Reply
from sftmill.errors import BadRequest, RecipeError
from sftmill.steps.curate.grounding.claims import choose_premise, is_strict, read_claims, statement
from sftmill.steps.curate.grounding.evidence import Source
from sftmill.steps.curate.grounding.support import Support
from sftmill.steps.curate.grounding.verdicts import classed_support, label_share, total_support

PASSAGE = {
    "zh": "蓄水池每季度清洗一次。清洗前须关闭进水阀。清洗由两名工人完成，其中一人在池外监护。",
    "en": "The basin is cleaned every quarter. The inlet valve is shut before. Two workers clean it, one of them outside.",
}
ASKED = {"zh": "蓄水池怎样清洗？", "en": "How is the basin cleaned?"}
SAID = {
    "zh": "根据资料，清洗前要先关上进水阀。共需两名工人。",
    "en": "According to the passage, the inlet valve is shut first. Two workers are needed.",
}
EVIDENCE = {"zh": "清洗前须关闭进水阀", "en": "The inlet valve is shut before"}


class Desk(ScriptedDesk):
    """A desk with a classifier, too."""

    chances = None
    pairs = ()

    async def classify(self, text_1, text_2, *, to="classifier"):
        self.pairs = [*self.pairs, (text_1, text_2)]
        return self.chances(text_1, text_2)


def verdict(label, evidence):
    return json.dumps({"evidence": evidence, "label": label}, ensure_ascii=False)


def judged(lang, says, **settings):
    """Return what a judge makes of the answer; `says` are its replies to the two sentences."""
    row = sample(ASKED[lang], SAID[lang], lang=lang, passage=PASSAGE[lang])
    second = "两名" if lang == "zh" else "Two workers are"
    step = Support(to_judge="judge", **settings)
    return run("support", step, row, lambda to, prompt, _: says[second in prompt[-1]["content"].split("<claim>")[1]])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_judge_sees_passage_question_and_one_sentence_without_its_frame(lang):
    made, desk = judged(lang, [verdict("supported", EVIDENCE[lang])] * 2)
    assert made["support"] == 1.0
    first = desk.calls[0]["prompt"][-1]["content"]
    assert PASSAGE[lang] in first and ASKED[lang] in first
    assert "根据资料" not in first and "According" not in first
    found = json.loads(made["sentence_support"])
    assert [one["label"] for one in found] == ["supported"] * 2 and found[0]["by"] == "judge"
    assert len(desk.calls) == 2


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_no_judge_could_read_is_missing_and_not_supported(lang):
    good = verdict("supported", EVIDENCE[lang])
    made, _ = judged(lang, [good, "I like it"])
    assert made["support"] is None
    assert [one["support"] for one in json.loads(made["sentence_support"])] == [1.0, None]
    lost, _ = judged(lang, [good, "I like it"], least=0.5)
    assert isinstance(lost, Drop) and lost.reason == "no_verdict"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_support_with_made_up_evidence_is_missing(lang):
    made_up = {"zh": "管理员批准后即可施工", "en": "the warden allows it after lunch"}[lang]
    made, _ = judged(lang, [verdict("supported", EVIDENCE[lang]), verdict("supported", made_up)])
    assert made["support"] is None
    denied, _ = judged(lang, [verdict("supported", EVIDENCE[lang]), verdict("not_said", made_up)])
    assert denied["support"] == 0, "a denial needs no evidence"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_one_wrong_number_sinks_the_answer_and_the_drop_names_the_sentence(lang):
    says = [verdict("supported", EVIDENCE[lang]), verdict("contradicted", EVIDENCE[lang])]
    lost, _ = judged(lang, says, least=0.5)
    assert lost.reason == "not_supported" and lost.facts["support"] == 0
    assert lost.facts["label"] == "contradicted" and (
        "两名" in lost.facts["sentence"] or "Two" in lost.facts["sentence"]
    )


def test_the_label_is_weighted_by_its_probability_where_the_server_tells():
    def token(text, logprob=0.0, **top):
        return {"token": text, "logprob": logprob, "top": top}

    whole = [token('{"evidence": "a", "'), token("label"), token('": "'), token("support", -0.5, **{"not": -1.0})]
    share = label_share(whole)
    assert share == pytest.approx(2.718**-0.5 / (2.718**-0.5 + 2.718**-1.0), abs=1e-3)
    assert label_share([token('"label":'), token(' "contradicted', -0.1)]) == 0
    assert label_share([token('"evidence": "support')]) is None
    row = sample(ASKED["zh"], "关闭进水阀。", passage=PASSAGE["zh"])
    text = verdict("supported", EVIDENCE["zh"])
    reply = Reply(text, logprobs=whole)
    made, desk = run("support", Support(to_judge="judge"), row, lambda *_: reply)
    assert made["support"] == share and desk.calls[0]["sampling"].logprobs


def test_a_server_without_log_probabilities_is_asked_without():
    class Plain(ScriptedDesk):
        async def ask(self, prompt, **more):
            if more["sampling"].logprobs:
                raise BadRequest("this server knows no logprobs")
            return await super().ask(prompt, **more)

    row = sample(ASKED["zh"], "关闭进水阀。", passage=PASSAGE["zh"])
    step = Support(to_judge="judge")
    desk = Plain("support", step, row, lambda *_: verdict("supported", EVIDENCE["zh"]))
    assert asyncio.run(step.row(row, desk))["support"] == 1


def classified(chances, row=None, **settings):
    row = row or sample(ASKED["zh"], SAID["zh"], passage=PASSAGE["zh"])
    step = Support(to_classifier="classifier", **settings)
    desk = Desk("support", step, row, lambda *_: verdict("not_said", "无"))
    desk.chances = chances
    return asyncio.run(step.row(row, desk)), desk


def test_a_classifier_gives_the_probability_of_entailment():
    made, desk = classified(lambda *_: {"ENTAILMENT": 0.7, "neutral": 0.2, "contradiction": 0.1})
    assert made["support"] == 0.7
    assert desk.pairs[0][0] == PASSAGE["zh"] and desk.pairs[0][1].endswith("清洗前要先关上进水阀。")
    made, _ = classified(lambda *_: {"entailment": 0.1, "neutral": 0.2, "contradiction": 0.7})
    assert {one["label"] for one in json.loads(made["sentence_support"])} == {"contradicted"}


def test_a_bare_answer_is_classified_together_with_its_question():
    row = sample("谁在池外监护？", "一人", passage=PASSAGE["zh"])
    _, desk = classified(lambda *_: {"entailment": 1.0, "neutral": 0.0}, row)
    assert desk.pairs[0][1] == "谁在池外监护？ 一人"
    assert statement("Who?", "one two three", "en") == "Who? one two three"


def test_the_judge_is_asked_about_what_the_classifier_leaves_open():
    def unsure(_, claim):
        return {"entailment": 0.97 if "阀" in claim else 0.5, "neutral": 0.03}

    made, desk = classified(unsure, to_judge="judge")
    assert len(desk.calls) == 1 and "两名" in desk.calls[0]["prompt"][-1]["content"].split("<claim>")[1]
    assert [one["by"] for one in json.loads(made["sentence_support"])] == ["classifier", "judge"]
    assert made["support"] == 0


def test_classes_that_say_nothing_need_a_name():
    with pytest.raises(RecipeError, match="entails"):
        classed_support({"LABEL_0": 0.4, "LABEL_1": 0.6}, None)
    assert classed_support({"LABEL_0": 0.4, "LABEL_1": 0.6}, "LABEL_1") == (0.6, "supported")
    with pytest.raises(RecipeError, match="LABEL_7"):
        classed_support({"entailment": 1.0}, "LABEL_7")


def test_nobody_to_ask_is_a_problem_before_the_run():
    assert "to_judge" in Support().problems()[0]
    assert Support(to_judge="judge").problems() == []


def test_an_answer_without_words_is_dropped_and_one_of_too_many_sentences_gets_no_support():
    with pytest.raises(Drop) as lost:
        classified(dict, sample("问？", "……", passage=PASSAGE["zh"]))
    assert lost.value.reason == "no_answer"
    made, desk = classified(dict, most_sentences=1)
    assert made["support"] is None and not desk.pairs


@pytest.mark.parametrize(
    "strict", ["共 3 人。", "依照《劳动法》办理。", "见第十二条。", "See Article 12.", "It costs two dollars."]
)
def test_numbers_and_laws_are_strict(strict):
    assert is_strict(strict)


def test_prose_is_averaged_and_strict_sentences_bound_it():
    prose, number = read_claims("天气很好。")[0], read_claims("共 3 人。")[0]
    assert total_support([prose, prose], [0.4, 0.8]) == pytest.approx(0.6)
    assert total_support([prose, number], [1.0, 0.4]) == 0.4
    assert total_support([number, prose], [1.0, 0.2]) == pytest.approx(0.6)
    assert total_support([prose, prose], [1.0, None]) is None
    assert total_support([], []) is None


@pytest.mark.parametrize(("lang", "space"), [("zh", ""), ("en", " ")])
def test_of_a_long_passage_the_fitting_sentences_and_their_neighbours_are_shown(lang, space):
    filler = {
        "zh": "走廊的灯每天晚上七点亮起，早上六点熄灭。",
        "en": "The lamps of the corridor burn from seven to six.",
    }
    told = {"zh": "备用钥匙放在值班室的铁柜里。", "en": "The spare key lies in the iron cabinet of the guardroom."}
    passage = space.join([filler[lang]] * 20 + [told[lang]] + [filler[lang]] * 20)
    asked = {"zh": "备用钥匙在哪里？", "en": "Where is the spare key?"}[lang]
    premise = choose_premise({"zh": "在铁柜里。", "en": "In the iron cabinet."}[lang], asked, Source(passage), 400)
    assert told[lang] in premise and filler[lang] in premise and len(premise) <= 400


@given(st.text(max_size=600), st.text(max_size=40), st.integers(100, 300))
def test_a_premise_is_never_longer_than_allowed(passage, claim, longest):
    assert len(choose_premise(claim, claim, Source(passage), longest)) <= longest
