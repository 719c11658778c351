import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from sftmill.models.structured import is_about_form, mended, parse, response_format, schema_of


class Pair(BaseModel):
    question: str
    answer: str


class Pairs(BaseModel):
    pairs: list[Pair]


class Loose(BaseModel):
    value: int = 3


ONE = Pairs(pairs=[Pair(question="甲是什么？", answer="乙")])


@pytest.mark.parametrize(
    "text",
    [
        '{"pairs": [{"question": "甲是什么？", "answer": "乙"}]}',
        '好的，结果如下：\n```json\n{"pairs": [{"question": "甲是什么？", "answer": "乙"}]}\n```\n希望有帮助。',
        'Sure! {"pairs": [{"question": "甲是什么？", "answer": "乙"}]} Anything else?',
        '{"pairs": [{"question": "甲是什么？", "answer": "乙",},],}',
        "{'pairs': [{'question': '甲是什么？', 'answer': '乙'}]}",
        "{“pairs”：[{“question”：“甲是什么？”，“answer”：“乙”}]}",
        '{"pairs": [{"question": "甲是什么？", "answer": "乙"}',
        '[{"question": "甲是什么？", "answer": "乙"}]',
        '{"pairs": [{"question": "甲是什么？", "answer": "乙"} // the first\n]}',
        '第一版 {"pairs": 1}，改正：{"pairs": [{"question": "甲是什么？", "answer": "乙"}]}',
        '{"pairs": [{"question": "甲是什么？", "answer": "乙"]}',
    ],
)
def test_what_models_write_around_and_into_json_is_repaired(text):
    assert parse(text, Pairs) == ONE


def test_quotation_marks_within_a_string_stay_in_it():
    assert parse('{"question": "他说"好"吗？", "answer": "a\nb"}', Pair) == Pair(question='他说"好"吗？', answer="a\nb")
    assert parse("{'question': 'it's he', 'answer': 'x'}", Pair).question == "it's he"
    assert parse("{“question”：“他说“好””，“answer”：“是”}", Pair).question == "他说“好”"


def test_a_path_with_backslashes_survives():
    assert parse('{"question": "C:\\path\\data", "answer": "\\u4e59"}', Pair) == Pair(
        question="C:\\path\\data", answer="乙"
    )


def test_brackets_are_closed_only_for_a_finished_answer():
    with pytest.raises(ValueError):
        parse('{"question": "甲", "answer": "乙', Pair, complete=False)
    assert parse('{"question": "甲", "answer": "乙"', Pair).answer == "乙"


@pytest.mark.parametrize("text", ["", "no", "{", "[]", '{"question": 1}', "null", '"text"', "{}}}}"])
def test_what_holds_no_answer_is_refused(text):
    with pytest.raises(ValueError):
        parse(text, Pair)


def test_a_refusal_names_the_field_and_never_the_content():
    with pytest.raises(ValueError, match="answer") as caught:
        parse('{"question": "GEHEIM"}', Pair)
    assert "GEHEIM" not in str(caught.value)


def test_the_schema_is_closed_and_strict_where_it_can_be():
    schema = schema_of(Pairs)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Pair"]["additionalProperties"] is False
    assert response_format(Pairs)["json_schema"]["strict"] is True
    assert response_format(Loose)["json_schema"]["strict"] is False


def test_a_refusal_of_the_form_is_told_from_others():
    assert is_about_form("'response_format' of type json_schema is not supported")
    assert is_about_form("Failed to compile grammar")
    assert not is_about_form("max_tokens is too large")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(st.text(), st.text())
def test_valid_json_is_read_as_it_stands(question, answer):
    pair = Pair(question=question, answer=answer)
    try:
        encoded = json.dumps(pair.model_dump(), ensure_ascii=False)
        encoded.encode()
    except UnicodeEncodeError:
        return
    assert parse(encoded, Pair) == pair
    assert parse(f"```json\n{encoded}\n```", Pair) == pair or "```" in question + answer


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_mending_leaves_sound_json_alone(value):
    encoded = json.dumps(value)
    piece, end, whole = mended(encoded, 0)
    assert whole and end == len(encoded) and json.loads(piece) == value


@given(st.text(alphabet="{}[]\"':,，“”\\ a1\n/#", max_size=60))
def test_any_text_gives_an_instance_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse(text, Loose), Loose)
