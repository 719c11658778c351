"""Guided writing with tiny random models: what must be identical, token by token."""

import pytest

from sftmill.core import Sampling, answer
from sftmill.errors import ModelFileError
from tiny_causal import CHAT, make_tokenizer, make_voice

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from sftmill.train.guide import (
    Guide,
    answer_logprobs,
    contrastive,
    dera,
    load_voice,
    proxy,
    rerank,
    shared_vocabulary,
)

ASKED = [{"role": "user", "content": "光有多快？How fast?"}]
GREEDY = Sampling(max_tokens=24)
WARM = Sampling(temperature=1.3, top_p=0.95, max_tokens=24)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(CHAT)


@pytest.fixture(scope="module")
def voices(tokenizer):
    return [make_voice(seed, tokenizer, padding=padding) for seed, padding in ((1, 0), (2, 7), (3, 3))]


def tokens(guide, sampling=GREEDY, seed=0, messages=ASKED):
    return [piece.token for piece in guide.stream(messages, sampling, seed) if piece.token is not None]


def alone(voice):
    return Guide((voice,), lambda logits: logits[0])


@pytest.mark.parametrize("sampling", [GREEDY, WARM])
def test_an_expert_that_is_its_own_antiexpert_changes_no_token(voices, sampling):
    base, expert, _ = voices
    assert tokens(proxy(base, expert, expert), sampling) == tokens(alone(base), sampling)
    assert len(tokens(alone(base))) > 3


@pytest.mark.parametrize("sampling", [GREEDY, WARM])
def test_strength_one_is_the_aligned_model_and_strength_zero_the_reference(voices, sampling):
    reference, aligned, _ = voices
    assert tokens(dera(reference, aligned, 1), sampling) == tokens(alone(aligned), sampling)
    assert tokens(dera(reference, aligned, 0), sampling) == tokens(alone(reference), sampling)
    assert tokens(dera(reference, aligned, 0.5)) not in (tokens(alone(aligned)), tokens(alone(reference)))


def test_caches_change_nothing(voices):
    for make in (
        lambda **more: dera(*voices[:2], 0.7, **more),
        lambda **more: proxy(*voices, **more),
        lambda **more: contrastive(*voices[:2], **more),
    ):
        assert tokens(make(cached=True)) == tokens(make(cached=False))
        assert tokens(make(cached=True), WARM, seed=4) == tokens(make(cached=False), WARM, seed=4)


def test_greedy_writing_is_what_transformers_generates(voices):
    import torch

    voice = voices[0]
    prompt = torch.tensor([voice.prompt(ASKED)])
    made = voice.model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=24, do_sample=False)
    made = made[0, prompt.shape[1] :].tolist()
    assert tokens(alone(voice)) == [token for token in made if token != 1]


def test_each_model_reads_its_own_format_and_goes_on_with_the_same_tokens(tokenizer):
    plain = make_tokenizer(None)
    chatty, bare = make_voice(1, tokenizer), make_voice(1, plain)
    assert chatty.prompt(ASKED) != bare.prompt(ASKED)
    assert tokenizer.decode(chatty.prompt(ASKED)) == "<|user|>光有多快？How fast?<|assistant|>"
    guide = dera(chatty, bare, 0.5)
    assert tokens(guide) == tokens(dera(chatty, bare, 0.5, cached=False))


def test_the_mixture_decides_when_the_text_ends(voices):
    base, expert, antiexpert = voices
    assert Guide((base, expert), lambda logits: ends_now(logits[1])).write(ASKED, GREEDY) == ""
    assert len(tokens(proxy(base, expert, antiexpert), Sampling(max_tokens=5))) <= 5


def ends_now(logits):
    """Return logits in which the end is likeliest."""
    made = logits.clone()
    made[1] = made.max() + 1
    return made


def test_padding_is_never_written(voices):
    import torch

    padded = make_voice(7, voices[0].tokenizer, padding=50)
    with torch.no_grad():
        padded.model.lm_head.weight[-50:] *= 1000
    size = shared_vocabulary((padded,))
    assert size == len(voices[0].tokenizer)
    assert max(tokens(alone(padded), Sampling(temperature=1.0, max_tokens=40), seed=2)) < size


def test_models_with_other_tokens_are_refused(voices):
    other = make_voice(1, make_tokenizer(CHAT, more=["<extra>"]))
    with pytest.raises(ModelFileError, match=r"different vocabularies \(1 tokens, such as '<extra>'\)"):
        dera(voices[0], other)
    small = make_voice(1, make_tokenizer(CHAT))
    small.tokenizer.add_tokens(["<one>", "<two>"])
    with pytest.raises(ModelFileError, match="output layer"):
        alone(small)


def test_the_stream_is_the_text_piece_by_piece(voices):
    guide = alone(voices[0])
    pieces = list(guide.stream(ASKED, WARM, seed=3))
    text = voices[0].tokenizer.decode([p.token for p in pieces if p.token is not None], skip_special_tokens=True)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.logprob <= 0 for piece in pieces)


def test_a_stop_ends_the_text_before_it_and_never_shows_its_beginning(voices):
    guide = alone(voices[0])
    text = "".join(piece.text for piece in guide.stream(ASKED, WARM, seed=3))
    stop = text[4:7]
    stopped = "".join(p.text for p in guide.stream(ASKED, WARM.model_copy(update={"stop": (stop,)}), seed=3))
    assert stopped == text[: text.index(stop)]
    never = text[-1] + "never"
    assert "".join(p.text for p in guide.stream(ASKED, WARM.model_copy(update={"stop": (never,)}), seed=3)) == text


def test_the_temperature_is_applied_behind_the_sum(voices):
    """With the sum of two equal halves at temperature 1 the draws are those of the model itself."""
    base = voices[0]
    halves = Guide((base, base), lambda logits: 0.5 * logits[0] + 0.5 * logits[1])
    assert tokens(halves, WARM, seed=9) == tokens(alone(base), WARM, seed=9)
    assert tokens(alone(base), WARM, seed=9) != tokens(alone(base), WARM, seed=10)


@pytest.mark.parametrize("cut", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
def test_a_cut_to_one_token_is_greedy(voices, cut):
    guide = alone(voices[0])
    assert tokens(guide, Sampling(temperature=2.0, max_tokens=12, **cut)) == tokens(guide, Sampling(max_tokens=12))


def test_what_does_not_fit_is_told(tokenizer):
    with pytest.raises(ValueError, match="room for 16 tokens"):
        tokens(alone(make_voice(1, tokenizer, room=16)))


def test_a_row_gets_the_guided_answer(voices):
    row = {"lang": "zh", "messages": [*ASKED, {"role": "assistant", "content": "旧"}]}
    made = alone(voices[0]).answer(row, GREEDY)
    assert answer(made) == alone(voices[0]).write(ASKED, GREEDY) != "旧"
    assert made["messages"][0] == ASKED[0]


def test_rewards_prefer_what_the_aligned_model_finds_likelier(voices):
    aligned, reference, _ = voices
    texts = ["水在一百度沸腾。", "Light", "米"]
    rewards = rerank(aligned, reference, ASKED, texts, beta=0.5)
    for text, reward in zip(texts, rewards, strict=True):
        gap = sum(answer_logprobs(aligned, ASKED, text)) - sum(answer_logprobs(reference, ASKED, text))
        assert reward == pytest.approx(0.5 * gap, abs=1e-5)
    assert rerank(aligned, aligned, ASKED, texts) == [0.0, 0.0, 0.0]


def test_a_written_token_has_the_probability_that_scoring_gives_it(voices):
    voice = voices[0]
    pieces = list(alone(voice).stream(ASKED, Sampling(max_tokens=6)))
    import torch

    prompt = voice.prompt(ASKED)
    ids = [piece.token for piece in pieces]
    with torch.no_grad():
        logits = voice.model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    scores = logits.log_softmax(-1)[range(len(ids)), ids].tolist()
    assert [piece.logprob for piece in pieces] == pytest.approx(scores, abs=1e-4)


def test_models_are_loaded_from_safetensors_alone(tmp_path, voices):
    voice = voices[0]
    voice.model.save_pretrained(tmp_path / "m")
    voice.tokenizer.save_pretrained(tmp_path / "m")
    loaded = load_voice(tmp_path / "m")
    assert tokens(alone(loaded)) == tokens(alone(voice))
    with pytest.raises(ModelFileError, match="safetensors"):
        load_voice(tmp_path)
