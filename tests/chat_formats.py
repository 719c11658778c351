"""Chat templates of model families as their makers publish them, in small, and tokenizers that hold their tokens.

The templates are written for these tests from the formats' public descriptions: what they print for system, user and
assistant turns is what the makers' own print; tools and pictures are left out. The tokenizers have all bytes as
tokens and the family's control tokens, so that ids are equal exactly where texts and control tokens are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ALTERNATE = (
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('roles must alternate') }}{%- endif -%}"
)


def chatml(default: str | None = None, head: str = "\\n", tail: str = "<|im_end|>\\n") -> str:
    """Return ChatML's template with a default system text."""
    block = ""
    if default is not None:
        text = default.replace("\\", "\\\\")
        block = (
            "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system"
            + head + text + tail + "' }}{% endif %}"
        )  # fmt: skip
    return (
        "{% for message in messages %}" + block + "{{ '<|im_start|>' + message['role'] + '" + head
        + "' + message['content'] + '" + tail + "' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant" + head + "' }}{% endif %}"
    )  # fmt: skip


def roles(head: str, tail: str, opening: str = "") -> str:
    """Return a template whose turns begin with <|role|>."""
    return (
        opening + "{% for message in messages %}{{ '<|' + message['role'] + '|>" + head + "' + message['content'] + '"
        + tail + "' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>" + head + "' }}{% endif %}"
    )  # fmt: skip


def llama3(dates: bool) -> str:
    """Return Llama 3's template, or 3.1's with its dates."""
    turn = "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
    if not dates:
        return "{{- bos_token }}{%- for message in messages %}" + turn + "{%- endfor %}"
    return (
        "{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
        "{%- if messages[0]['role'] == 'system' %}{%- set told = messages[0]['content'] | trim %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set told = '' %}{%- endif %}"
        "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: '"
        " + date_string + '\\n\\n' + told + '<|eot_id|>' }}"
        "{%- for message in messages %}" + turn + "{%- endfor %}"
    )


def inst(opening: str, closing: str, answer: str, last: bool) -> str:
    """Return a template of [INST] turns, its system text in the first user turn or in the last."""
    place = "loop.last" if last else "loop.first"
    return (
        "{%- if messages[0]['role'] == 'system' %}{%- set told = messages[0]['content'] %}{%- set turns = messages[1:] %}"
        "{%- else %}{%- set turns = messages %}{%- endif %}{{- bos_token }}{%- for message in turns %}" + _ALTERNATE +
        "{%- if message['role'] == 'user' %}{%- if " + place + " and told is defined %}"
        "{{- '" + opening + "' + told + '\\n\\n' + message['content'] + '" + closing + "' }}{%- else %}"
        "{{- '" + opening + "' + message['content'] + '" + closing + "' }}{%- endif %}"
        "{%- else %}{{- '" + answer + "' + message['content'] + eos_token }}{%- endif %}{%- endfor %}"
    )  # fmt: skip


_GEMMA_TURNS = (
    "{%- for message in turns -%}" + _ALTERNATE +
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n'"
    " + (told if loop.first else '') + message['content'] | trim + '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)  # fmt: skip
_GEMMA2 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('no system role') }}{%- endif -%}"
    "{%- set turns = messages -%}{%- set told = '' -%}" + _GEMMA_TURNS
)
_GEMMA3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set told = messages[0]['content'] + '\\n\\n' -%}"
    "{%- set turns = messages[1:] -%}{%- else -%}{%- set turns = messages -%}{%- set told = '' -%}{%- endif -%}"
    + _GEMMA_TURNS
)
_R1 = (
    "{%- set ns = namespace(told='') -%}{%- for message in messages -%}{%- if message['role'] == 'system' -%}"
    "{%- set ns.told = message['content'] -%}{%- endif -%}{%- endfor -%}{{ bos_token }}{{ ns.told }}"
    "{%- for message in messages -%}{%- if message['role'] == 'user' -%}{{ '<｜User｜>' + message['content'] }}"
    "{%- elif message['role'] == 'assistant' -%}{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{%- endif -%}{%- endfor -%}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)
_QWEN3 = (
    "{%- for message in messages %}{%- if message.role in ['user', 'system'] %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- else %}"
    "{%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
_MISTRAL_SMALL = (
    "{{- bos_token }}{%- for message in messages %}{%- if message['role'] == 'system' %}"
    "{{- '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}{%- elif message['role'] == 'user' %}"
    "{{- '[INST]' + message['content'] + '[/INST]' }}{%- else %}{{- message['content'] + eos_token }}{%- endif %}"
    "{%- endfor %}"
)
_LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set told = messages[0]['content'] %}"
    "{% else %}{% set turns = messages %}{% set told = false %}{% endif %}{% for message in turns %}"
    "{% if loop.index0 == 0 and told != false %}"
    "{% set content = '<<SYS>>\\n' + told + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content + ' [/INST]' }}{% else %}{{ ' ' + content + ' ' + eos_token }}{% endif %}{% endfor %}"
)
_GLM4 = (
    "[gMASK]<sop>{% for item in messages %}{% if item['content'] %}<|{{ item['role'] }}|>{{ item['metadata'] }}\n"
    "{{ item['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True)
class Format:
    """A family's published chat template and the tokens that go with it."""

    template: str
    tokens: tuple[str, ...]
    bos: str | None = None
    eos: str | None = None
    adds: tuple[str, ...] = ()
    """Control tokens that the tokenizer puts before every text."""
    refuses_system: bool = False


_IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_HEADERS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>")
_TURNS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
_INST = ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")
_PHI = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>")
_DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")
_GLM = ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>", "<|endoftext|>")


def _mistral(template: str) -> Format:
    return Format(template, _INST, "<s>", "</s>", ("<s>",))


FORMATS: dict[str, Format] = {
    "chatml": Format(chatml(), _IM, None, "<|im_end|>"),
    "yi": Format(chatml(), _IM, None, "<|im_end|>"),
    "qwen1.5": Format(chatml("You are a helpful assistant"), _IM, None, "<|im_end|>"),
    "qwen2": Format(chatml("You are a helpful assistant."), _IM, None, "<|im_end|>"),
    "qwen2.5": Format(
        chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant."), _IM, None, "<|im_end|>"
    ),
    "qwen2.5-math": Format(
        chatml(r"Please reason step by step, and put your final answer within \boxed{}."), _IM, None, "<|im_end|>"
    ),
    "qwen3": Format(_QWEN3, (*_IM, "<think>", "</think>"), None, "<|im_end|>"),
    "smollm2": Format(
        chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
        _IM,
        "<|im_start|>",
        "<|im_end|>",
    ),
    "llama2": Format(_LLAMA2, ("<s>", "</s>"), "<s>", "</s>", ("<s>",)),
    "llama3": Format(llama3(False), _HEADERS, "<|begin_of_text|>", "<|eot_id|>", ("<|begin_of_text|>",)),
    "llama3.1": Format(llama3(True), _HEADERS, "<|begin_of_text|>", "<|eot_id|>", ("<|begin_of_text|>",)),
    "deepseek-r1-distill": Format(_R1, _DEEPSEEK, _DEEPSEEK[0], _DEEPSEEK[1], (_DEEPSEEK[0],)),
    "glm4": Format(_GLM4, _GLM, None, "<|endoftext|>", ("[gMASK]", "<sop>")),
    "mistral": _mistral(inst("[INST] ", "[/INST]", " ", True)),
    "mistral-v1": _mistral(inst("[INST] ", " [/INST]", "", False)),
    "mistral-nemo": _mistral(inst("[INST]", "[/INST]", "", True)),
    "mistral-small": _mistral(_MISTRAL_SMALL),
    "gemma2": Format(_GEMMA2, _TURNS, "<bos>", "<eos>", ("<bos>",), refuses_system=True),
    "gemma3": Format(_GEMMA3, _TURNS, "<bos>", "<eos>", ("<bos>",)),
    "phi3": Format(roles("\\n", "<|end|>\\n"), _PHI, None, "<|endoftext|>"),
    "phi4": Format(chatml(None, "<|im_sep|>", "<|im_end|>"), (*_IM, "<|im_sep|>"), None, "<|im_end|>"),
    "phi4-mini": Format(roles("", "<|end|>"), _PHI, None, "<|endoftext|>"),
}


def tokenizer(form: Format) -> Any:
    """Return a transformers tokenizer of all bytes with the format's tokens, template and habit of adding a BOS."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = Tokenizer(models.BPE(vocabulary, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, normalized=False) for token in form.tokens])
    if form.adds:
        head = " ".join(f"{token}:0" for token in form.adds)
        core.post_processor = processors.TemplateProcessing(
            single=f"{head} $A:0",
            pair=f"{head} $A:0 $B:1",
            special_tokens=[(token, core.token_to_id(token)) for token in form.adds],
        )
    made = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=form.bos, eos_token=form.eos)
    made.chat_template = form.template
    return made


def save(form: Format, folder: Path) -> Path:
    """Write the tokenizer's files into a folder, as a model's folder has them."""
    tokenizer(form).save_pretrained(folder)
    return folder


def ids_before_words(made: Any, messages: list[dict[str, str]]) -> list[int]:
    """Return the ids of a conversation up to the last user turn's words, which are a single letter here.

    An empty turn would be left out by some templates and merge with what follows in others, so that a letter that
    is a token of its own stands in its place and is looked for from the end.
    """
    told = [*messages, {"role": "user", "content": "§"}]
    ids = made.apply_chat_template(told, tokenize=True, return_dict=False)
    mark = made.encode("§", add_special_tokens=False)
    places = [at for at in range(len(ids)) if ids[at : at + len(mark)] == mark]
    return ids[: places[-1]]
