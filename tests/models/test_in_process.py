"""Models run by transformers in this process give the numbers of a plain forward pass, whatever was read before."""

import asyncio
import json
import shutil
import threading

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from hypothesis import given, settings, strategies
from tests.tiny_causal import CHAT, TEXTS, make_tokenizer, make_voice

from sftmill.doctor.endpoint import endpoints
from sftmill.errors import BadRequest, ContextTooLong, ModelFileError, ModelNotFound, RecipeError
from sftmill.models import in_process_files as files
from sftmill.models import in_process_scores
from sftmill.models.budget import Budget
from sftmill.models.connect import connect
from sftmill.models.desk import Models
from sftmill.models.in_process import InProcessProvider, LoadedModel, encode_judged
from sftmill.models.in_process_scores import Reader, split_tokens
from sftmill.models.ledger import Ledger
from sftmill.models.measure import first_of_continuation
from sftmill.models.settings import BudgetSettings, ModelSettings
from sftmill.plan import make_plan
from sftmill.recipe_reader import load_recipe

ROW = {"id": "r", "root": "r", "lang": "zh", "sensitivity": "secret"}
PASSAGE = "光在真空中的速度是每秒 299792458 米。水在一百度沸腾。" * 3
TALK = [{"role": "user", "content": "水在几度沸腾？"}]


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A folder with a small causal model."""
    voice = make_voice(3, make_tokenizer())
    return save(voice.model, voice.tokenizer, tmp_path_factory.mktemp("models") / "tiny-causal")


def save(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_classifier(folder, labels, template=None, seed=5):
    """A folder with a small sequence classifier; `labels` are the names of its classes."""
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = make_tokenizer(template)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, initializer_range=0.5, bos_token_id=None, eos_token_id=1,
        pad_token_id=0, num_labels=len(labels), id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )  # fmt: skip
    return save(LlamaForSequenceClassification(config).eval(), tokenizer, folder)


def ask(name, ledger_path, *calls, **options):
    """Return what a desk's methods gave, called one after the other, the role's numbers, and the models."""

    async def work():
        with Ledger.open(ledger_path) as ledger:
            roles = {"m": ModelSettings(transformers=str(name), **options)}
            async with Models(roles, ledger, Budget(BudgetSettings(), {})) as models:
                desk = models.desk("step", None, ROW, "run")
                made = [await getattr(desk, method)(*arguments, to="m") for method, *arguments in calls]
                return made, models.snapshot()["m"], models.role("m")

    return asyncio.run(work())


def direct(folder, text):
    """Return the tokens of a text and their log-probabilities by one plain forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        chances = model(ids).logits[0].log_softmax(-1)
    return chances[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()


@pytest.mark.parametrize(
    ("prefix", "continuation"),
    [
        (PASSAGE, "光速是多少？每秒 299792458 米。"),
        ("Water boils at 100 degrees. Question: when does it boil? Answer:", " At 100 degrees."),
        ("水在一百度沸腾。", " Light travels 299792458 metres a second 😀"),
    ],
)
def test_scores_are_those_of_a_plain_forward_pass(causal, tmp_path, prefix, continuation):
    ((scores,), told, _) = ask(causal, tmp_path / "l.sqlite", ("score", prefix, continuation))
    expected = direct(causal, prefix + continuation)[-len(scores.logprobs) :]
    assert scores.logprobs == pytest.approx(expected, abs=1e-4)
    if "\ufffd" not in scores.tokens:
        assert "".join(scores.tokens) == continuation
    assert told["calls"] == 1 and told["prompt_tokens"] > len(scores.tokens)


def test_a_shared_beginning_is_read_once_and_changes_no_number(causal, tmp_path):
    endings = ["光速", "水沸腾", "Light", "光速是每秒 299792458 米", "", "光"]
    model = LoadedModel(str(causal))
    read = [model.score(PASSAGE + ending) for ending in endings]
    sizes = [len(pieces.ids) for pieces, _, _ in read]
    assert model.computed < sizes[0] + 2 * sum(size - len(model._tokenizer(PASSAGE)["input_ids"]) + 2 for size in sizes)
    assert all(known > 20 for _, _, known in read[1:])
    for ending, (_, values, _) in zip(endings, read, strict=True):
        assert values[0] is None
        assert values[1:] == pytest.approx(direct(causal, PASSAGE + ending), abs=1e-4)
        alone = LoadedModel(str(causal)).score(PASSAGE + ending)[1]
        assert values[1:] == pytest.approx(alone[1:], abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(texts=strategies.lists(strategies.text(alphabet="水光a b。度😀\n", max_size=40), min_size=1, max_size=12))
def test_any_order_of_texts_gives_the_numbers_of_reading_each_alone(causal, texts):
    model = loaded(causal)
    in_process_scores.CHUNK, chunk = 7, in_process_scores.CHUNK
    try:
        for text in texts:
            pieces, values, _ = model.score(text)
            fresh = Reader(model._model).read(pieces.ids)[0]
            assert len(values) == len(pieces.ids) and values == pytest.approx(fresh, abs=1e-4)
            if "\ufffd" not in "".join(pieces.texts):
                assert "".join(pieces.texts) == text
    finally:
        in_process_scores.CHUNK = chunk


_LOADED = {}


def loaded(folder):
    """Return a model that several examples share."""
    return _LOADED.setdefault(str(folder), LoadedModel(str(folder)))


def test_what_is_kept_stays_within_its_bounds(causal, monkeypatch):
    monkeypatch.setattr(in_process_scores, "KEPT", 3)
    model = LoadedModel(str(causal))
    for number in range(9):
        model.score(f"{number}{TEXTS[number % 3] * 2}")
    assert len(model._reader._kept) == 3
    monkeypatch.setattr(in_process_scores, "KEPT_BYTES", 1)
    model.score("水" * 50)
    assert len(model._reader._kept) == 1


def test_a_model_whose_layers_forget_is_read_anew_each_time(tmp_path):
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(1)
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, sliding_window=8, eos_token_id=1, pad_token_id=0,
        initializer_range=0.5,
    )  # fmt: skip
    folder = save(MistralForCausalLM(config), tokenizer, tmp_path / "window")
    model = LoadedModel(str(folder))
    for text in (PASSAGE, PASSAGE + "光"):
        assert model.score(text)[1][1:] == pytest.approx(direct(folder, text), abs=1e-4)
    assert not model._reader.keeps


@pytest.mark.parametrize("words", [262, 320, 500])
@settings(max_examples=40, deadline=None)
@given(
    prefix=strategies.text(alphabet="水光a b。度😀齉\n", max_size=20),
    continuation=strategies.text(alphabet="水光a b。度😀齉\n", min_size=1, max_size=12),
)
def test_the_first_token_of_the_continuation_is_found_whatever_is_split(words, prefix, continuation):
    tokenizer = _TOKENIZERS.setdefault(words, make_tokenizer(words=words))
    pieces = split_tokens(tokenizer, prefix + continuation)
    spans = tokenizer(prefix + continuation, return_offsets_mapping=True)["offset_mapping"]
    expected = next(i for i, (_, end) in enumerate(spans) if end > len(prefix))
    assert next(i for i, end in enumerate(pieces.ends) if end > len(prefix)) == expected
    if "\ufffd" not in pieces.texts:  # what measure does for servers that do not tell where tokens end
        assert first_of_continuation(pieces.texts, prefix + continuation, len(prefix)) == expected


_TOKENIZERS = {}


def test_what_was_scored_once_comes_from_the_ledger_and_its_key_holds_the_bytes(causal, tmp_path):
    first, told, role = ask(causal, tmp_path / "l.sqlite", ("score", PASSAGE, "光速"))
    again, retold, _ = ask(causal, tmp_path / "l.sqlite", ("score", PASSAGE, "光速"))
    assert first == again
    assert (told["calls"], told["from_ledger"]) == (1, 0)
    assert (retold["calls"], retold["from_ledger"]) == (0, 1)
    assert role.model == "tiny-causal" and role.revision.endswith("sha256:" + files.model_digest(str(causal)))
    other = shutil.copytree(causal, tmp_path / "tiny-causal")
    assert ask(other, tmp_path / "l.sqlite", ("score", PASSAGE, "光速"))[1]["from_ledger"] == 1, "the same bytes"
    other = save(make_voice(4, make_tokenizer()).model, make_tokenizer(), tmp_path / "new" / "tiny-causal")
    changed, retold, _ = ask(other, tmp_path / "l.sqlite", ("score", PASSAGE, "光速"))
    assert retold["from_ledger"] == 0 and changed != first


def test_half_characters_at_the_border_go_to_the_side_where_they_stand(tmp_path):
    tokenizer = make_tokenizer(words=262)  # every Chinese character is three tokens
    folder = save(make_voice(3, tokenizer).model, tokenizer, tmp_path / "bytes")
    scores = ask(folder, tmp_path / "l.sqlite", ("score", "光光", "光水"))[0][0]
    assert scores.logprobs == pytest.approx(direct(folder, "光光光水")[-6:], abs=1e-4)


def test_an_empty_text_and_a_single_token_have_no_scores(causal, tmp_path):
    made, _, _ = ask(causal, tmp_path / "l.sqlite", ("score", "", ""), ("score", "", "a"), ("score", "水", ""))
    assert [scores.logprobs for scores in made] == [[], [], []]


def test_a_text_longer_than_the_model_reads_is_named_not_cut(causal, tmp_path):
    with pytest.raises(ContextTooLong, match="reads 256 tokens"):
        ask(causal, tmp_path / "l.sqlite", ("score", "水光" * 300, "光"))


def test_two_roles_share_one_model_and_it_works_in_another_thread(causal, monkeypatch):
    threads = set()
    score = LoadedModel.score
    monkeypatch.setattr(
        LoadedModel, "score", lambda self, text: (threads.add(threading.get_ident()), score(self, text))[1]
    )

    async def work():
        servers = {}
        told, (one,) = await connect("scorer", ModelSettings(transformers=str(causal)), servers, {})
        _, (two,) = await connect("other", ModelSettings(transformers=str(causal)), servers, {})
        body = {"prompt": PASSAGE, "prompt_logprobs": 1}
        made = await asyncio.gather(*(p.post("/completions", body, timeout=60) for p in (one, two, one)))
        return told, servers, one._model is two._model, made

    told, servers, shared, made = asyncio.run(work())
    assert shared and len(servers) == 1 and made[0] == made[2] | {"usage": made[0]["usage"]}
    assert (told.context, told.concurrency) == (256, 2)
    assert threading.get_ident() not in threads


def test_a_reward_is_the_head_s_number_for_the_conversation_in_its_chat_format(tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = make_classifier(tmp_path / "reward", ["good"], CHAT)
    made, told, _ = ask(
        folder,
        tmp_path / "l.sqlite",
        ("reward", TALK, "一百度"),
        ("reward", TALK, "At 100"),
        ("reward", TALK, "一百度"),
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for value, answer in zip(made, ["一百度", "At 100"], strict=False):
        ids = tokenizer.apply_chat_template(
            [*TALK, {"role": "assistant", "content": answer}], return_tensors="pt", return_dict=False
        )
        with torch.no_grad():
            assert value == pytest.approx(model(ids).logits.item(), abs=1e-4)
    assert made[0] == made[2] != made[1]
    assert (told["calls"], told["from_ledger"]) == (2, 1)


def test_without_a_chat_format_both_paths_read_the_two_texts(tmp_path):
    folder = make_classifier(tmp_path / "reward", ["good"])
    pooled, scored = ask(
        folder, tmp_path / "l.sqlite", ("reward", TALK, "一百度"), ("reward", [*TALK, *TALK], "一百度")
    )[0]
    provider = InProcessProvider(LoadedModel(str(folder)))
    body = {"text_1": TALK[0]["content"], "text_2": "一百度"}
    assert asyncio.run(provider.post("/../score", body, timeout=9))["data"][0]["score"] == pooled != scored


def test_turns_that_the_chat_format_refuses_fail_their_row_alone(tmp_path):
    tokenizer = make_tokenizer("{{ raise_exception('no system turn') }}")
    with pytest.raises(BadRequest, match=r"chat format of the model refuses these turns.*no system turn"):
        encode_judged(tokenizer, TALK)


def test_two_texts_are_sorted_into_the_classes_that_the_model_names(tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    labels = ["entailment", "neutral", "contradiction"]
    folder = make_classifier(tmp_path / "nli", labels)
    pair = ("水在一百度沸腾。", "Water boils at 100.")
    (first, again), told, _ = ask(folder, tmp_path / "l.sqlite", ("classify", *pair), ("classify", *pair))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = model(**tokenizer("\n\n".join(pair), return_tensors="pt")).logits[0].softmax(-1).tolist()
    assert list(first) == labels and list(first.values()) == pytest.approx(expected, abs=1e-4)
    assert sum(first.values()) == pytest.approx(1, abs=1e-5)
    assert again == first and told["from_ledger"] == 1


def test_a_pair_is_read_with_the_marks_that_its_tokenizer_puts_between(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(more=["[CLS]", "[SEP]"])
    marks = [(mark, tokenizer.convert_tokens_to_ids(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    ids = encode_judged(tokenizer, "水", "光")["input_ids"][0].tolist()
    assert tokenizer.decode(ids).replace(" ", "") == "[CLS]水[SEP]光[SEP]"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": TALK}),
        ("/completions", {"prompt": "水", "max_tokens": 10}),
        ("/embeddings", {"input": ["水"]}),
        ("/../pooling", {"messages": TALK}),
    ],
)
def test_what_a_scorer_does_not_do_is_named_with_who_does_it(causal, path, body):
    with pytest.raises(ModelNotFound, match=r"log-probabilities of texts.*`endpoint:` or `local:`, which write"):
        asyncio.run(InProcessProvider(LoadedModel(str(causal))).post(path, body, timeout=1))


def test_a_step_that_asks_the_wrong_kind_is_stopped_with_the_remedy(causal, tmp_path):
    with pytest.raises(RecipeError, match=r"cannot sort two texts.*sequence classifier under `transformers:`"):
        ask(causal, tmp_path / "l.sqlite", ("classify", "a", "b"))
    with pytest.raises(ModelNotFound, match=r"cannot answer chat/completions"):
        ask(causal, tmp_path / "l.sqlite", ("ask", "写一首诗"))


def test_it_lists_itself_as_the_only_model(causal):
    provider = InProcessProvider(LoadedModel(str(causal)))
    assert asyncio.run(provider.get("/models"))["data"] == [{"id": "tiny-causal", "object": "model"}]
    with pytest.raises(BadRequest):
        asyncio.run(provider.get("/secrets"))


def test_pickled_weights_are_refused_and_no_weights_are_named(causal, tmp_path):
    folder = shutil.copytree(causal, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="pickled weights, which can run code and are never loaded"):
        LoadedModel(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelFileError, match=r"no weights \(\*\.safetensors\)"):
        LoadedModel(str(folder))


def test_an_adapter_is_no_model(causal, tmp_path):
    folder = shutil.copytree(causal, tmp_path / "adapter")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelFileError, match=r"holds an adapter.*merge the two"):
        LoadedModel(str(folder))


def test_the_room_is_what_configuration_and_tokenizer_both_allow():
    class Tokenizer:
        model_max_length = 512

    assert files.find_room({"max_position_embeddings": 514}, Tokenizer) == 512
    assert files.find_room({"n_positions": 100}, Tokenizer) == 100
    assert files.find_room({}, None) is None


def test_weights_that_lack_the_head_are_refused_instead_of_drawn_by_chance(causal, tmp_path):
    folder = shutil.copytree(causal, tmp_path / "headless")
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "good"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=r"weights lack 'score.weight' .*would be chance"):
        LoadedModel(str(folder)).judge("a", "b")
    with pytest.raises(ModelNotFound, match="would be chance"):  # which ends a run, instead of failing row after row
        ask(folder, tmp_path / "l.sqlite", ("reward", TALK, "b"))


def test_code_that_comes_with_a_model_is_never_run(causal, tmp_path):
    folder = shutil.copytree(causal, tmp_path / "remote")
    trap = tmp_path / "sprung"
    (folder / "modeling_own.py").write_text(f"open({str(trap)!r}, 'w').close()")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "modeling_own.C", "AutoModelForCausalLM": "modeling_own.M"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        LoadedModel(str(folder)).score("水")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"architectures": ["Qwen2ForCausalLM"]}, "causal"),
        ({"architectures": ["GPT2LMHeadModel"]}, "causal"),
        ({"architectures": ["DebertaV2ForSequenceClassification"], "id2label": {"0": "LABEL_0"}}, "reward"),
        ({"architectures": ["BertForSequenceClassification"]}, "classifier"),
        ({"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}, "classifier"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, None),
        ({"architectures": ["BertModel"]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_configuration_tells_what_a_model_does(config, kind):
    assert files.find_kind(config) == kind


def test_changed_bytes_change_the_digest_and_a_new_place_does_not(causal, tmp_path):
    digest = files.model_digest(str(causal))
    folder = shutil.copytree(causal, tmp_path / "elsewhere")
    assert files.model_digest(str(folder)) == digest
    (folder / "README.md").write_text("notes")
    assert files.model_digest(str(folder)) == digest, "what is not read does not count"
    tokens = folder / "tokenizer_config.json"
    tokens.write_text(tokens.read_text() + " ")
    assert files.model_digest(str(folder)) != digest
    assert files.model_digest(str(tmp_path / "nowhere")) == "missing"


def test_an_embedded_model_is_named_by_its_pin_and_wants_to_be_fetched_first(tmp_path):
    name = "smollm2-135m-instruct"
    assert files.kind_of(name) == "causal" and len(files.model_digest(name)) == 64
    with pytest.raises(ModelFileError, match="sftmill model fetch smollm2-135m-instruct"):
        files.find_folder(name, cache=tmp_path)


def test_missing_packages_are_named_with_the_command(monkeypatch, causal):
    monkeypatch.setattr(files, "find_spec", lambda package: None)
    assert files.problems(str(causal)) == [
        f"{causal} needs torch and transformers, not installed here; run: pip install 'sftmill[train]'"
    ]
    assert "torch and transformers and gguf" in files.problems("smollm2-135m-instruct")[0]


RECIPE = """\
name: small
lang: zh
models:
  teacher: {endpoint: http://127.0.0.1:8000/v1, model: m, revision: "1"}
  gold: ROLE
streams:
  rows:
    - samples: {file: rows.jsonl}
    - best_of_n: BEST
finish:
  - export
"""


def plan(folder, role, best="{to: teacher, to_reward: gold}"):
    """Return the plan of a recipe whose role `gold` is a model in this process, or its problems."""
    (folder / "rows.jsonl").write_text('{"messages": [{"role": "user", "content": "水在几度沸腾？"}]}\n', "utf-8")
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("ROLE", role).replace("BEST", best), "utf-8")
    try:
        return make_plan(load_recipe(path), folder / "runs" / "small")
    except RecipeError as error:
        return error.problems


def test_a_folder_is_taken_relative_to_the_recipe_and_the_plan_reads_its_bytes(tmp_path):
    make_classifier(tmp_path / "gold", ["good"])
    made = plan(tmp_path, "{transformers: gold}")
    assert made.recipe.models["gold"].transformers == str(tmp_path / "gold")
    assert made.recipe.resolved["models"]["gold"]["transformers"] == "gold"

    def fingerprint(made):
        return next(stage.fingerprint for stage in made.stages["rows"] if stage.step.__class__.__name__ == "BestOfN")

    before = fingerprint(made)
    assert fingerprint(plan(tmp_path, "{transformers: ./gold}")) == before, "the same bytes"
    shutil.rmtree(tmp_path / "gold")
    make_classifier(tmp_path / "gold", ["good"], seed=6)
    assert fingerprint(plan(tmp_path, "{transformers: gold}")) != before, "a model trained anew is asked anew"


@pytest.mark.parametrize(
    ("role", "best", "told"),
    [
        ("{transformers: nowhere}", None, "nowhere is no folder; name the one that holds config.json and the weights"),
        ("{transformers: empty}", None, "empty has no readable config.json (No such file or directory)"),
        ("{transformers: words}", None, "words holds BertModel, neither a causal language model (...ForCausalLM"),
        ("{transformers: gold, scripted: a.yaml}", None, "exactly one of endpoint, local, transformers and scripted"),
        ("{transformers: gold}", "{to: gold, to_reward: gold}", "`to` names the role 'gold', whose model gold gives one"),
        ("{transformers: gold}", "{to_judge: gold}", "`to_judge` names the role 'gold', whose model gold gives one number"),
        ("{transformers: nli}", None, "`to_reward` names the role 'gold', whose model nli sorts two texts into classes"),
        ("{transformers: smollm2-135m-instruct}", None, "smollm2-135m-instruct gives the log-probabilities of texts"),
        ("{local: smollm2-135m-instruct}", None, "whose model writes and gives no numbers of texts; name a role with `tr"),
    ],
)  # fmt: skip
def test_the_plan_names_what_is_wrong_with_its_line_and_remedy(tmp_path, role, best, told):
    make_classifier(tmp_path / "gold", ["good"])
    make_classifier(tmp_path / "nli", ["entailment", "neutral", "contradiction"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "config.json").write_text('{"architectures": ["BertModel"]}')
    found = plan(tmp_path, role, *([best] if best else []))
    assert isinstance(found, list) and any(told in problem and problem.startswith("recipe.yaml:") for problem in found)


def test_a_reward_that_a_writing_model_says_may_be_asked_of_an_embedded_one(tmp_path):
    best = "{to: teacher, to_reward: gold, reward_path: chat}"
    assert not isinstance(plan(tmp_path, "{local: smollm2-135m-instruct}", best), list)
    make_classifier(tmp_path / "gold", ["good"])
    assert "`to_reward` names the role 'gold'" in plan(tmp_path, "{transformers: gold}", best)[0]


def test_the_packages_are_asked_for_by_the_plan(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda package: None)
    assert "run: pip install 'sftmill[train]'" in plan(tmp_path, "{transformers: gold}")[0]


def test_the_doctor_says_what_a_model_in_this_process_does_or_why_it_cannot(causal, tmp_path):
    def look(name):
        return asyncio.run(endpoints({"m": ModelSettings(transformers=str(name))}))

    (found,) = look(causal)
    assert found[:2] == ("ok", "m") and "tiny-causal gives the log-probabilities of texts" in found.found
    (found,) = look(tmp_path / "nowhere")
    assert found.mark == "missing" and "is no folder" in found.found
