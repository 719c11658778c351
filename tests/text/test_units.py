import itertools
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.text import (
    align,
    char_ngrams,
    content_hash,
    detect_lang,
    is_cjk,
    length,
    normalise,
    normalise_with_map,
    sentences,
    tokens,
)

mixed = st.text(
    st.one_of(
        st.sampled_from("法律。，、；：？！“”‘’（）《》〈〉—–… \n\t\u3000ａＢ１．％①½é\u0301\u200bﬁ㎡-–.'\"a1,;"),
        st.characters(exclude_categories=["Cs"]),
    )
)


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("使用 Daft 框架", "使用Daft框架"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("“引文”与「引文」", '"引文"与"引文"'),
        ("〈法〉——《法》", "《法》-《法》"),
        ("two  words\n here ", "two words here"),
        ("零\u200b宽", "零宽"),
        ("民法：第一条，", "民法:第一条,"),
    ],
)
def test_variants_of_the_same_text_have_one_normal_form(raw, normal):
    assert normalise(raw) == normal


@given(mixed)
def test_the_map_belongs_to_the_normal_form_and_points_into_the_text(text):
    normal, offsets = normalise_with_map(text)
    assert normal == normalise(text)
    assert len(offsets) == len(normal) and offsets == sorted(offsets)
    assert all(0 <= o < len(text) for o in offsets)


@given(mixed)
def test_normalising_twice_is_normalising_once(text):
    once = normalise(text)
    assert normalise(once) == once


@given(st.text("法律 abc,。1", min_size=1))
def test_an_offset_names_the_character_that_was_kept(text):
    for c, o in zip(*normalise_with_map(text), strict=True):
        assert unicodedata.normalize("NFKC", text[o]).replace("。", ".")[0] == c


def test_tokens_are_single_chinese_characters_words_and_numbers():
    assert tokens("5,000 元的Profit，don't 维生素B12 100mg 3.14") == (
        ["5000", "元", "的", "profit", "don't", "维", "生", "素", "b12", "100", "mg", "3.14"]
    )
    assert tokens("计算 ROE 指标") != tokens("解释 ROE 含义")


def test_length_counts_characters_in_chinese_and_words_in_english():
    assert length("第一条 为了保护\n民事", "zh") == 9
    assert length("It costs 3.14 dollars, doesn't it?", "en") == 6
    assert length("x" * 400, "en") == 10  # a blob without spaces is not one word


def test_ngrams_overlap_and_a_short_text_is_one():
    assert char_ngrams("abcde", 3) == ["abc", "bcd", "cde"]
    assert char_ngrams("ab", 3) == ["ab"] and char_ngrams("", 3) == []


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("请用 Python 实现 quick sort，复杂度 O(n log n)", "zh"),
        ("The Art of War (孙子兵法) was written by Sun Tzu in ancient China", "en"),
        ("Hello", "en"),
        ("你好", "zh"),
        ("apt update && apt upgrade", "en"),
    ],
)
def test_language_is_told_by_the_share_of_chinese(text, lang):
    assert detect_lang(text) == lang


@given(st.text(st.sampled_from("ab é中文，. 1"), max_size=40))
def test_language_is_that_of_the_count_of_words_however_it_is_told(text):
    chinese, words = sum(is_cjk(one) for one in text), len(re.findall("[a-zA-Zé]{2,40}", text))
    assert detect_lang(text) == ("zh" if chinese and 2 * chinese >= words else "en")


def cut(text):
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他说：“你好。”然后走了。真的吗？", ["他说：“你好。”", "然后走了。", "真的吗？"]),
        ("“好。”，他说；再见", ["“好。”，他说；", "再见"]),
        ("（见第三条。）下一句", ["（见第三条。）", "下一句"]),
        (
            "See e.g. Dr. Smith in v1.2.3. It costs 3.14 dollars.",
            ["See e.g. Dr. Smith in v1.2.3.", "It costs 3.14 dollars."],
        ),
        ("The U.S. Army won. Visit http://a.b/c?d=e. OK!", ["The U.S. Army won.", "Visit http://a.b/c?d=e.", "OK!"]),
        ("J. K. Rowling wrote it. He read it.", ["J. K. Rowling wrote it.", "He read it."]),
        ("1. Install it. 2. Run it.", ["1. Install it.", "2. Run it."]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("第一行\n第二行", ["第一行", "第二行"]),
        ("Tom & Jerry &amp; co; end", ["Tom & Jerry &amp; co;", "end"]),
        ("真的？！是的……吧。", ["真的？！", "是的……吧。"]),
        ("他来了.她走了.", ["他来了.", "她走了."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    assert cut(text) == expected


@given(mixed)
def test_every_visible_character_is_in_exactly_one_sentence(text):
    spans = sentences(text)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(a < b for a, b in spans) and all(p[1] <= q[0] for p, q in itertools.pairwise(spans))


def test_ideographs_kana_and_hangul_are_written_without_spaces():
    assert all(is_cjk(c) for c in "法〇々かカ한𠀀") and not any(is_cjk(c) for c in "a1。 é")


def test_hashes_depend_on_where_the_parts_end():
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert content_hash("法") == content_hash("法".encode()) and len(content_hash()) == 32
    assert content_hash("\ud800") != content_hash("")


SOURCE = (
    "第十条\n处理民事纠纷，应当依照法律；法律没有规定的，可以适用习惯，但是不得违背公序良俗。\n"
    "第十一条 其他法律对民事关系有特别规定的，依照其规定。"
)


def test_a_quotation_is_found_despite_punctuation_and_spaces():
    span = align("应当依照 法律, 法律没有规定的 可以适用习惯", SOURCE)
    assert SOURCE[span.start : span.end] == "应当依照法律；法律没有规定的，可以适用习惯" and span.ratio == 1


def test_a_quotation_with_a_slip_is_found_with_a_lower_ratio():
    span = align("处理民事纠纷，应该依照法律；法律没有规定的可以适用习惯", SOURCE)
    assert SOURCE[span.start : span.end] == "处理民事纠纷，应当依照法律；法律没有规定的，可以适用习惯"
    assert 0.9 <= span.ratio < 1


@pytest.mark.parametrize("quote", ["", "，。", "完全不存在的一段引文和原文没有关系", "违背良俗公序习惯"])
def test_what_does_not_stand_in_the_source_is_not_found(quote):
    assert align(quote, SOURCE) is None


def test_a_number_is_not_found_inside_a_longer_one():
    assert align("5 mg", "每次 15 mg") is None and align("1.5", "每次 15 片") is None
    assert align("5mg", "每次 15 mg 或 5 mg").start == 11


@given(st.text("民法典规定的合同。，", min_size=1, max_size=60), st.integers(0, 59), st.integers(1, 60))
def test_every_piece_of_a_text_aligns_with_it(text, start, size):
    piece = text[start : start + size]
    if piece.strip("。，"):
        assert align(piece, text).ratio == 1
