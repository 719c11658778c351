"""Magpie's prefixes are, token for token, what the tokenizers' own chat templates write before a user's words."""

import json
import struct
import urllib.request

import pytest

from chat_formats import FORMATS, ids_before_words, save, tokenizer
from sftmill.errors import RecipeError
from sftmill.models.model_files import find
from sftmill.steps.instruct.magpie.magpie_chat_template import Tokenizer, cut_template, load_template, template_files
from sftmill.steps.instruct.magpie.magpie_families import FAMILIES, find_family

SYSTEM = "你是一名助手。Be brief."
HISTORY = [("你好，介绍一下自己", "我是助手。"), ("Then what?", "Nothing.")]
TURNS = [m for q, a in HISTORY for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})]
SITUATIONS = [(None, []), (SYSTEM, []), (None, HISTORY), (SYSTEM, HISTORY)]


def expected(made, system, history):
    head = [{"role": "system", "content": system}] if system else []
    return ids_before_words(made, head + (TURNS if history else []))


def sent(made, template, system, history):
    """Return the ids that a server makes of the text that is sent: it adds what its tokenizer adds."""
    text = template.prefix(system, history, bos=not template.server_adds_bos)
    return made.encode(text, add_special_tokens=True)


def test_every_family_of_the_table_has_a_published_format_to_be_compared_with():
    assert FAMILIES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_familys_prefix_has_the_ids_of_the_tokenizers_chat_template_and_one_bos(name):
    pytest.importorskip("transformers", reason="pip install 'sftmill[train]'")
    form, template = FORMATS[name], FAMILIES[name]
    made = tokenizer(form)
    for system, history in SITUATIONS:
        if system and form.refuses_system:
            continue
        ids = sent(made, template, system, history)
        assert ids == expected(made, system, history), (system, history)
        for token in form.adds:  # llama2 begins every pair of turns with one more
            assert ids.count(made.convert_tokens_to_ids(token)) == 1 + len(history) * template.after.count(token)


@pytest.mark.parametrize("name", FORMATS)
def test_a_prefix_cut_from_a_tokenizers_folder_has_the_same_ids(name, tmp_path):
    pytest.importorskip("transformers", reason="pip install 'sftmill[train]'")
    form = FORMATS[name]
    template = load_template(save(form, tmp_path / "model"))
    made = tokenizer(form)
    for system, history in SITUATIONS:
        if not (system and form.refuses_system):
            assert sent(made, template, system, history) == expected(made, system, history)
    assert template.stops
    assert set(template.stops) <= {*form.tokens, "[INST]", "[/INST]"}


def test_a_bos_in_the_text_is_doubled_by_a_server_that_adds_it():
    pytest.importorskip("transformers", reason="pip install 'sftmill[train]'")
    made, template = tokenizer(FORMATS["deepseek-r1-distill"]), FAMILIES["deepseek-r1-distill"]
    doubled = made.encode(template.prefix(bos=True), add_special_tokens=True)
    once = made.encode(template.prefix(), add_special_tokens=True)
    assert doubled.count(made.bos_token_id) == 2
    assert once.count(made.bos_token_id) == 1
    assert made.encode(template.prefix(bos=True), add_special_tokens=False) == once


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5"),
        ("qwen2.5-coder-0.5b-instruct", "qwen2.5"),
        ("Qwen2.5-Math-72B-Instruct", "qwen2.5-math"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("qwen3-235b-a22b-instruct-2507", "qwen3"),
        ("Qwen2-7B-Instruct", "qwen2"),
        ("Qwen1.5-14B-Chat", "qwen1.5"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama3"),
        ("meta-llama/Llama-3.1-70B-Instruct", "llama3.1"),
        ("Llama-3.3-70B-Instruct-AWQ", "llama3.1"),
        ("llama2_7b_chat", "llama2"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1-distill"),
        ("/models/DeepSeek R1 Distill Llama 8B.Q4_K_M.gguf", "deepseek-r1-distill"),
        ("THUDM/glm-4-9b-chat-hf", "glm4"),
        ("01-ai/Yi-1.5-9B-Chat", "yi"),
        ("Yi-34B-Chat", "yi"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistral-v1"),
        ("Mistral-7B-Instruct-v0.3", "mistral"),
        ("Mistral-Nemo-Instruct-2407", "mistral-nemo"),
        ("Mistral-Small-3.1-24B-Instruct-2503", "mistral-small"),
        ("google/gemma-2-9b-it", "gemma2"),
        ("gemma-3-12b-it", "gemma3"),
        ("microsoft/Phi-3.5-mini-instruct", "phi3"),
        ("phi-4", "phi4"),
        ("Phi-4-mini-instruct", "phi4-mini"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2"),
    ],
)
def test_a_models_name_tells_its_family(model, family):
    assert find_family(model).name == family


@pytest.mark.parametrize("model", ["gpt-5", "scripted", "baichuan2-13b", "ayi-assistant", "qwen4-1b", ""])
def test_an_unknown_name_is_refused_with_all_that_are_known(model):
    with pytest.raises(RecipeError, match=r"chatml.*glm4.*qwen2\.5.*`template`"):
        find_family(model)


def test_sizes_have_the_temperatures_that_were_found_for_them():
    assert FAMILIES["qwen2.5"].sampling_for("Qwen2.5-7B-Instruct") == (0.7, 1.0)
    assert FAMILIES["qwen2.5"].sampling_for("Qwen2.5-72B-Instruct") == (0.6, 1.0)
    assert FAMILIES["llama3.1"].sampling_for("Llama-3.1-8B-Instruct") == (0.8, 1.0)
    assert FAMILIES["llama3.1"].sampling_for("Llama-3.3-70B-Instruct") == (1.0, 1.0)
    assert FAMILIES["qwen2.5-math"].sampling_for("Qwen2.5-Math-72B") == (0.6, 0.9)


def test_stops_are_control_tokens_and_never_words():
    for family in FAMILIES.values():
        assert family.stops
        assert all(stop[0] in "<[" and stop[-1] in ">]" for stop in family.stops), family.name


def test_qwen25_begins_with_the_system_block_that_it_was_trained_with():
    block = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    assert FAMILIES["qwen2.5"].prefix() == block + "<|im_start|>user\n"
    assert FAMILIES["qwen2.5"].prefix(default_system=False) == "<|im_start|>user\n"


def test_control_tokens_in_what_is_filled_in_are_escaped():
    text = FAMILIES["qwen2.5"].prefix("a<|im_end|>b", [("c<|im_start|>d", "e<|im_end|>f")])
    assert text.count("<|im_end|>") == 3
    assert text.count("<|im_start|>") == 4
    assert "a<\\|im_end\\|>b" in text


# Templates of a tokenizer's own -------------------------------------------------------------------


def cut(template, bos="", eos="", adds=None, name="thing"):
    return cut_template(Tokenizer(template, bos, eos, adds), name)


def test_a_file_beside_its_tokenizers_config_is_enough(tmp_path):
    (tmp_path / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    )
    alone = load_template(tmp_path / "chat_template.jinja")
    assert (alone.bos, alone.prefix(bos=True)) == ("", "[user]")
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    beside = load_template(tmp_path / "chat_template.jinja")
    assert (beside.bos, beside.server_adds_bos, beside.stops) == ("<s>", False, ("</s>",))
    assert beside.prefix("S", [("u", "a")], bos=True) == "<s>[system]S\n[user]u\n[assistant]a\n[user]"
    assert {file.name for file in template_files(tmp_path)} == {"tokenizer_config.json", "chat_template.jinja"}


def test_of_several_named_templates_the_default_is_taken(tmp_path):
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "<u>{{ messages[-1].content }}"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert load_template(tmp_path).prefix() == "<u>"


def test_a_template_that_takes_no_earlier_turns_says_so():
    template = cut("<u>{{ messages[-1].content }}</u>")
    assert template.prefix() == "<u>"
    with pytest.raises(ValueError, match="takes no earlier turns"):
        template.prefix(None, [("a", "b")])


def test_a_template_without_system_role_gets_the_text_before_the_users_words():
    template = cut(FORMATS["gemma2"].template, "<bos>", "<eos>", True)
    assert template.prefix("S") == "<start_of_turn>user\nS\n\n"


def test_dates_in_a_template_are_always_the_same():
    assert cut("{{ strftime_now('%d %b %Y') }} {{ messages[-1].content }}").prefix() == "26 Jul 2024 "


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ messages[", "cannot be rendered"),
        ("{{ raise_exception('never') }}", "never"),
        ("nothing of it", "does not show"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[-1].content }}", "SecurityError"),
        ("{{ messages[-1].content }}{{ 'x' * 10**9 }}", "set `family`"),
        ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "2 CPU seconds"),
        ("{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "set `family`"),
        ("{{ cycler.__init__.__globals__.os.environ }}{{ messages[-1].content }}", "set `family`"),
    ],
)
def test_a_bad_template_is_refused_and_does_no_harm(template, why):
    with pytest.raises(RecipeError, match=why):
        cut(template)


def test_what_is_no_tokenizer_is_refused_with_what_to_give(tmp_path):
    with pytest.raises(RecipeError, match="is not there"):
        load_template(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=r"holds no chat template|is not there"):
        load_template(tmp_path / "empty")
    (tmp_path / "tokenizer_config.json").write_text("{broken")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_template(tmp_path)


def gguf(pairs):
    """Return the header of a .gguf file with these strings, numbers, truths and lists of strings."""

    def text(value):
        return struct.pack("<Q", len(value.encode())) + value.encode()

    body = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    for key, value in pairs.items():
        body += text(key)
        if isinstance(value, bool):
            body += struct.pack("<I?", 7, value)
        elif isinstance(value, str):
            body += struct.pack("<I", 8) + text(value)
        elif isinstance(value, int):
            body += struct.pack("<II", 4, value)
        elif value and isinstance(value[0], float):
            body += struct.pack("<IIQ", 9, 6, len(value)) + struct.pack(f"<{len(value)}f", *value)
        else:
            body += struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    return body


def test_a_gguf_files_header_is_enough(tmp_path):
    pairs = {
        "general.architecture": "llama",
        "tokenizer.ggml.scores": [0.5, 1.5],
        "tokenizer.ggml.tokens": ["<s>", "</s>", "中"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": FORMATS["mistral"].template,
    }
    (tmp_path / "m.gguf").write_bytes(gguf(pairs))
    template = load_template(tmp_path / "m.gguf")
    assert (template.bos, template.server_adds_bos, template.system_last) == ("<s>", True, True)
    assert template.prefix("S", [("u", "a")]) == FAMILIES["mistral"].prefix("S", [("u", "a")])


@pytest.mark.parametrize(
    "damage", [b"", b"GGUF", b"PK\x03\x04", gguf({"a": "b"})[:-1], gguf({"a": "b"})[:24] + b"\xff" * 16]
)
def test_a_damaged_gguf_file_is_refused(tmp_path, damage):
    (tmp_path / "m.gguf").write_bytes(damage)
    with pytest.raises(RecipeError, match=r"no readable \.gguf|no chat template"):
        load_template(tmp_path / "m.gguf")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "family"), [("qwen2.5-coder-0.5b-instruct", "qwen2.5"), ("smollm2-135m-instruct", "smollm2")]
)
def test_an_embedded_models_server_makes_the_same_ids_of_prefix_and_chat(model, family):
    pytest.importorskip("xllamacpp", reason="pip install 'sftmill[local]'")
    from sftmill.models.local import serve

    if (file := find(model)) is None:
        pytest.skip(f"run `sftmill model fetch {model}` first")
    with serve(model, slots=1, context=512) as server:

        def ask(path, body):
            request = urllib.request.Request(
                server.url.removesuffix("/v1") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=300) as reply:
                return json.load(reply)

        def ids(text):
            return ask("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]

        mark = "§"
        for system, history in SITUATIONS:
            messages = [{"role": "system", "content": system}] if system else []
            messages += [*(TURNS if history else []), {"role": "user", "content": mark}]
            whole = ask("/apply-template", {"messages": messages})["prompt"]
            want = ids(whole.rpartition(mark)[0])
            for template in (FAMILIES[family], load_template(file)):
                assert ids(template.prefix(system, history, bos=not template.server_adds_bos)) == want
