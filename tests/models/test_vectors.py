"""Vectors of a run: each text is made and paid for once, whoever asks, whatever dies in between."""

import asyncio
import math

import numpy as np
import pytest
from tests.fake_endpoint import FakeEndpoint

from sftmill.errors import BudgetExhausted, LeakRefused, MalformedBody, ModelError, RecipeError, RunStopped
from sftmill.models import vectors as vectors_module
from sftmill.models.budget import Budget
from sftmill.models.desk import Models
from sftmill.models.ledger import Ledger
from sftmill.models.settings import BudgetSettings, ModelSettings

TEXTS = {"zh": ["股票是什么", "债券是什么", "通货膨胀"], "en": ["What is a bond?", "a share", "Inflation"]}


class Computed:
    """An embedder in this process: a vector tells a text's length and its first characters."""

    name = "computed"
    at_once = 4

    def __init__(self, tells_passages=False, broken=()):
        self.tells_passages, self.broken, self.asked, self.sides = tells_passages, broken, [], []

    async def compute(self, texts, passages):
        self.asked += texts
        self.sides.append(passages)
        made = np.array([[len(text) + 1, *map(ord, text[:3].ljust(3)), passages] for text in texts], np.float32)
        for at, text in enumerate(texts):
            if text in self.broken:
                made[at] = self.broken[text]
        return made, sum(map(len, texts))

    async def post(self, path, body, *, timeout):  # noqa: ASYNC109
        raise AssertionError("it computes")

    async def get(self, path):
        return {"data": [{"id": self.name}]}

    async def close(self):
        pass


def with_models(path, work, provider=None, settings=None, budget=None, run="run"):
    """Do some work with a desk; returns what it returns, and what the role counted."""

    async def go():
        with Ledger.open(path) as ledger:
            before = ledger.spent(run)
            account = Budget(BudgetSettings(**(budget or {})), {}, spent=before)
            providers = {"embedder": [provider]} if provider else None
            role = ModelSettings(**{"model": "m", **(settings or {})})
            async with Models({"embedder": role}, ledger, account, providers=providers) as models:
                row = {"id": "r", "lang": "zh", "sensitivity": "public"}
                made = await work(models.desk("step", None, row, run))
                assert models.budget.reserved_tokens == 0
                return made, models.snapshot()["embedder"]

    return asyncio.run(go())


def with_endpoint(path, work, server, **more):
    async def go():
        async with server:
            return await asyncio.to_thread(with_models, path, work, None, {"endpoint": server.url}, **more)

    return asyncio.run(go())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_was_computed_is_kept_beside_the_ledger_and_not_computed_again(tmp_path, lang):
    path, texts = tmp_path / "ledger.sqlite", TEXTS[lang]
    first, told = with_models(path, lambda desk: desk.vectors([*texts, texts[0]]), one := Computed())
    again, retold = with_models(path, lambda desk: desk.vectors(texts[::-1]), two := Computed())
    assert first.dtype == np.float32 and first.shape == (4, 5)
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    assert (again == first[[2, 1, 0]]).all() and (first[3] == first[0]).all()
    assert (one.asked, two.asked) == (texts, [])
    assert (told["from_ledger"], retold["from_ledger"], retold["calls"]) == (0, 3, 0)
    assert (tmp_path / "ledger.vectors").is_dir()


def test_many_texts_come_in_order_however_they_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_module, "CHUNK", 7)
    texts = [f"第{number % 31}条" for number in range(100)]
    made, _ = with_models(tmp_path / "a.sqlite", lambda desk: desk.vectors(texts), one := Computed())
    alone, _ = with_models(tmp_path / "b.sqlite", lambda desk: desk.vectors(texts[:31]), Computed())
    assert len(one.asked) == 31
    assert (made == alone[[number % 31 for number in range(100)]]).all()


def test_no_texts_are_no_vectors_and_a_few_come_as_lists(tmp_path):
    async def work(desk):
        return await desk.vectors([]), await desk.embed([]), await desk.embed(["甲"])

    (none, no_list, listed), _ = with_models(tmp_path / "ledger.sqlite", work, Computed())
    assert (len(none), no_list) == (0, [])
    assert isinstance(listed[0], list) and math.isclose(sum(v * v for v in listed[0]), 1, rel_tol=1e-5)


def test_two_models_are_never_mixed(tmp_path):
    path = tmp_path / "ledger.sqlite"
    for settings in ({}, {"revision": "2"}, {"model": "n"}, {"extra_body": {"dimensions": 5}}):
        _, told = with_models(path, lambda desk: desk.vectors(["甲"]), one := Computed(), settings)
        assert one.asked == ["甲"] and told["from_ledger"] == 0
    assert len(list((tmp_path / "ledger.vectors").iterdir())) == 4


def test_a_passage_is_another_vector_only_where_the_embedder_tells_it_from_a_question(tmp_path):
    for tells in (True, False):

        async def both(desk):
            return await desk.vectors(["甲"]), await desk.vectors(["甲"], as_passages=True)

        (question, passage), _ = with_models(tmp_path / f"{tells}.sqlite", both, one := Computed(tells))
        assert (question != passage).any() == tells
        assert one.sides == ([False, True] if tells else [False])


def test_what_an_endpoint_answered_is_paid_once_even_if_the_folder_of_vectors_is_lost(tmp_path):
    path, texts = tmp_path / "ledger.sqlite", [f"text {number}" for number in range(150)]
    first, told = with_endpoint(path, lambda desk: desk.vectors(texts), one := FakeEndpoint())
    assert (sum(len(body["input"]) for body in one.bodies), told["calls"]) == (150, 3)
    for file in sorted((tmp_path / "ledger.vectors").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    again, retold = with_endpoint(path, lambda desk: desk.vectors(texts), two := FakeEndpoint())
    assert (again == first).all() and two.total == 0
    assert (retold["from_ledger"], retold["calls"]) == (150, 0)
    once_more, _ = with_endpoint(path, lambda desk: desk.vectors(texts), three := FakeEndpoint())
    assert (once_more == first).all() and three.total == 0


def test_what_was_paid_counts_against_the_budget_of_the_next_start(tmp_path):
    path = tmp_path / "ledger.sqlite"
    for provider in (Computed(), None):
        go = with_models if provider else with_endpoint
        server = provider or FakeEndpoint()
        path = tmp_path / f"{type(server).__name__}.sqlite"
        _, told = go(path, lambda desk: desk.vectors(["text " * 20]), server)
        assert told["prompt_tokens"] >= 20
        with pytest.raises(BudgetExhausted):
            server = Computed() if provider else FakeEndpoint()
            go(path, lambda desk: desk.vectors(["other " * 20]), server, budget={"tokens": told["prompt_tokens"] + 5})


def test_where_the_ledger_lies_elsewhere_it_keeps_the_vectors_too(tmp_path):
    path = tmp_path / "ledger.sqlite"

    async def work(desk):
        desk._models.vectors.folder = None
        return await desk.vectors(["甲", "乙", "甲"])

    first, _ = with_models(path, work, one := Computed())
    again, told = with_models(path, work, two := Computed())
    assert (first == again).all() and (first[0] == first[2]).all()
    assert (one.asked, two.asked, told["from_ledger"]) == (["甲", "乙"], [], 2)
    assert not (tmp_path / "ledger.vectors").exists()


def test_a_vector_damaged_on_disk_is_made_again_or_taken_from_the_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    first, _ = with_models(path, lambda desk: desk.vectors(["甲", "乙"]), Computed())
    (data,) = (tmp_path / "ledger.vectors").rglob("vectors")
    data.write_bytes(b"\0" * data.stat().st_size)
    again, _ = with_models(path, lambda desk: desk.vectors(["甲", "乙"]), one := Computed())
    assert (again == first).all() and one.asked == ["甲", "乙"]


@pytest.mark.parametrize("vector", [0.0, float("nan"), float("inf")])
def test_a_vector_that_is_none_is_refused_and_not_kept(tmp_path, vector):
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(ModelError, match="zero or not finite"):
        with_models(path, lambda desk: desk.vectors(["甲"]), Computed(broken={"甲": vector}))
    made, _ = with_models(path, lambda desk: desk.vectors(["甲"]), Computed())
    assert np.isfinite(made).all()


def test_an_endpoint_whose_vectors_change_their_length_is_told_of(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with_endpoint(path, lambda desk: desk.vectors(["a"]), FakeEndpoint(dimensions=8))
    with pytest.raises(RecipeError, match="another `revision`"):
        with_endpoint(path, lambda desk: desk.vectors(["b"]), FakeEndpoint(dimensions=6))


def test_a_row_that_is_too_secret_is_not_sent(tmp_path):
    async def work(desk):
        desk.row = {**desk.row, "sensitivity": "secret"}
        return await desk.vectors(["甲"])

    with pytest.raises(LeakRefused):
        with_endpoint(tmp_path / "ledger.sqlite", work, server := FakeEndpoint())
    assert server.total == 0


def test_a_run_that_ends_computes_no_further(tmp_path):
    async def work(desk):
        desk._models.stop(RunStopped("stopped by Ctrl-C"))
        return await desk.vectors(["甲"])

    with pytest.raises(RunStopped):
        with_models(tmp_path / "ledger.sqlite", work, one := Computed())
    assert one.asked == []


def test_many_who_ask_at_once_get_the_same_vectors(tmp_path):
    async def work(desk):
        return await asyncio.gather(*(desk.vectors(["甲", "乙", f"丙{number}"]) for number in range(20)))

    made, _ = with_models(tmp_path / "ledger.sqlite", work, one := Computed())
    paid, _ = with_endpoint(tmp_path / "paid.sqlite", work, server := FakeEndpoint())
    for vectors in (made, paid):
        assert all((part[:2] == vectors[0][:2]).all() for part in vectors)
    assert len(one.asked) == len(set(one.asked)) == 22
    sent = [text for body in server.bodies for text in body["input"]]
    assert len(sent) == len(set(sent)) == 22


def test_who_waits_for_a_call_of_another_row_that_fails_asks_again(tmp_path):
    class Failing(Computed):
        async def compute(self, texts, passages):
            await asyncio.sleep(0)
            if not self.asked:
                self.asked += texts
                raise MalformedBody("broken")
            return await super().compute(texts, passages)

    async def work(desk):
        return await asyncio.gather(*(desk.vectors(["甲"]) for _ in range(3)), return_exceptions=True)

    made, _ = with_models(tmp_path / "ledger.sqlite", work, Failing())
    assert isinstance(made[0], MalformedBody)
    assert (made[1] == made[2]).all()
