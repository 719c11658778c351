"""The chat formats of well-known model families, as far as Magpie needs them.

Sources, named per entry in `notes`: [magpie] = configs/model_configs.json of magpie-align/magpie (commit 07fc38a:
prefixes, stops) and its scripts/ (temperature, top_p); [official] = the chat template that the model's makers
publish in its tokenizer_config.json; [llama.cpp] = the templates in that project's tests/test-chat-template.cpp.
Where [magpie] and the official template differ, the official one is taken: it is what the model was trained on.
Temperatures for families that [magpie] does not have are its usual 1.0, unless the notes say otherwise.

Stops are seen by a server only where it shows control tokens in its text. vLLM hides them unless the role has
`extra_body: {skip_special_tokens: false}`. Families whose user turn ends with a token that is also the end of
sequence (ChatML, Llama 3, Gemma, Phi) stop anyway; Mistral, GLM and R1-Distill go on to answer, which shows as
`answer_leak` or not at all. "Flaming" (dividing the logits of the first token alone by 1.2, as [magpie] does for
some models) cannot be asked for over an API.
"""

import re

from sftmill.errors import RecipeError
from sftmill.steps.instruct.magpie.magpie_template import Template

_CHATML_STOPS = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
_LLAMA3_DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"


def _turns(
    name: str,
    user: tuple[str, str],
    assistant: tuple[str, str],
    system: tuple[str, str],
    own_system: str | None = None,
    **others,
) -> Template:
    """Return a template whose turns each have a text before and one behind; `own_system` is its default system text."""
    block = "" if own_system is None else system[0] + own_system + system[1]
    return Template(
        name=name,
        opening=block + user[0],
        bare=user[0],
        around_system=(system[0], system[1] + user[0]),
        between=user[1] + assistant[0],
        after=assistant[1] + user[0],
        **others,
    )


def _chatml(name: str, own_system: str | None = None, **others) -> Template:
    """Return ChatML with a family's own default system text."""
    return _turns(
        name,
        ("<|im_start|>user\n", "<|im_end|>\n"),
        ("<|im_start|>assistant\n", "<|im_end|>\n"),
        ("<|im_start|>system\n", "<|im_end|>\n"),
        own_system,
        stops=_CHATML_STOPS,
        **others,
    )


def _inside_user(name: str, user: tuple[str, str], assistant: tuple[str, str], **others) -> Template:
    """Return a template without a system turn: the system text stands before the user's words, a blank line between."""
    return Template(
        name=name,
        opening=user[0],
        bare=user[0],
        around_system=(user[0], "\n\n"),
        between=user[1] + assistant[0],
        after=assistant[1] + user[0],
        **others,
    )


def _llama3(name: str, dates: str | None = None, **others) -> Template:
    before = "<|start_header_id|>system<|end_header_id|>\n\n" + (dates or "")
    return _turns(
        name,
        ("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        (before, "<|eot_id|>"),
        None if dates is None else "",
        bos="<|begin_of_text|>",
        stops=("<|eot_id|>", "<|start_header_id|>", "<|end_of_text|>"),
        **others,
    )


_GEMMA = (("<start_of_turn>user\n", "<end_of_turn>\n"), ("<start_of_turn>model\n", "<end_of_turn>\n"))
_GEMMA_STOPS = ("<end_of_turn>", "<start_of_turn>", "<eos>")
_MISTRAL_STOPS = ("[/INST]", "</s>", "[INST]")

_TABLE = (
    _turns(
        "deepseek-r1-distill",
        ("<｜User｜>", ""),
        ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
        ("", ""),
        bos="<｜begin▁of▁sentence｜>",
        stops=("<｜Assistant｜>", "<think>", "<｜end▁of▁sentence｜>", "<｜User｜>"),
        temperature=0.8,
        matches=r"deepseek-r1|r1-distill",
        notes="[official] bare system text behind the BOS, no mark at the end of a user's turn; the template writes the "
        "BOS and the tokenizer adds it (add_bos_token), so it comes twice unless the sent text is without. Not in "
        "[magpie]; 0.8 is a choice between the 0.6 that the makers advise for answers and the 1.0 of instructions.",
    ),
    _chatml(
        "qwen2.5-math",
        r"Please reason step by step, and put your final answer within \boxed{}.",
        temperature=0.6,
        top_p=0.9,
        matches=r"qwen-?2\.5-math",
        notes="[official]; [magpie] 0.6/0.9 for 72B, with flaming, which an API cannot do.",
    ),
    _chatml(
        "qwen2.5",
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        temperature=0.7,
        by_size=(("72b", 0.6, 1.0),),
        matches=r"qwen-?2\.5",
        notes="[official], [magpie] 0.7 for 3B and 7B, 0.6 for 72B. Without the system block the output is fragments "
        "(magpie issue 28); its author found 3B to work better than 7B.",
    ),
    _chatml(
        "qwen3",
        temperature=1.0,
        matches=r"qwen-?3(?![.\d])",
        notes="[official], no default system text; a thinking model's thoughts belong to answers, and an instruction "
        "that holds <think> is dropped. Not in [magpie].",
    ),
    _chatml(
        "qwen2",
        "You are a helpful assistant.",
        matches=r"qwen-?2(?![.\d])",
        notes="[official]; [magpie] starts at the user's turn: `default_system: false` does the same.",
    ),
    _chatml(
        "qwen1.5",
        "You are a helpful assistant",
        matches=r"qwen-?1\.5",
        notes="[official], without a full stop; [magpie] starts at the user's turn: `default_system: false`.",
    ),
    _chatml(
        "smollm2",
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        matches=r"smollm-?2",
        notes="[official]; English only.",
    ),
    _llama3(
        "llama3.1",
        _LLAMA3_DATES,
        temperature=1.0,
        by_size=(("3.1-8b", 0.8, 1.0), ("3.1-70b", 0.9, 1.0)),
        matches=r"llama-?3\.[123]",
        notes="3.1, 3.2, 3.3. [official] always writes a system block with two dates (3.2 takes today's where it can; "
        "here it is always the template's own, so that a rerun asks the same). [magpie] starts at the user's header "
        "(`default_system: false`) and has 0.8 for 3.1-8B, 0.9 for 3.1-70B, 1.0 for 3.3-70B; it also bans headings as "
        "first token for 3.1, for which the step drops `only_heading`.",
    ),
    _llama3("llama3", matches=r"llama-?3(?!\.?\d)", notes="[official], [magpie] 1.0."),
    Template(
        name="llama2",
        opening="[INST] ",
        bare="[INST] ",
        around_system=("[INST] <<SYS>>\n", "\n<</SYS>>\n\n"),
        between=" [/INST] ",
        after=" </s><s>[INST] ",
        bos="<s>",
        stops=_MISTRAL_STOPS,
        matches=r"llama-?2",
        notes="[official], [magpie]. The prefix ends with a space, which the tokenizer makes a token of its own.",
    ),
    _turns(
        "glm4",
        ("<|user|>\n", ""),
        ("<|assistant|>\n", ""),
        ("<|system|>\n", ""),
        bos="[gMASK]<sop>",
        stops=("<|assistant|>", "<|user|>", "<|observation|>", "<|endoftext|>"),
        matches=r"glm-?4",
        notes="[official] GLM-4-9B and GLM-4-0414; 4.5 has the same prefix, but writes empty thoughts into earlier "
        "turns (use `template`). Hugging Face's tokenizer adds [gMASK]<sop>; llama.cpp does not: `bos: text`. "
        "Not in [magpie].",
    ),
    _chatml(
        "yi",
        matches=r"(?:^|[^a-z])yi-?(?:1\.5-?)?(?:\d+b|vl|coder|lightning)",
        notes="[official] 1 and 1.5: no BOS (add_bos_token is false); [magpie] puts <|startoftext|> there all the same.",
    ),
    Template(
        name="mistral-small",
        opening="[INST]",
        bare="[INST]",
        around_system=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT][INST]"),
        between="[/INST]",
        after="</s>[INST]",
        bos="<s>",
        stops=_MISTRAL_STOPS,
        matches=r"mistral-(?:small-(?:3|24b|25)|medium|large-(?:24b?11|25)|magistral|devstral)|magistral|devstral",
        notes="[official] v7-tekken (Small 3 and later); their default system text holds today's date and is left out.",
    ),
    _inside_user(
        "mistral-nemo",
        ("[INST]", "[/INST]"),
        ("", "</s>"),
        system_last=True,
        bos="<s>",
        stops=_MISTRAL_STOPS,
        matches=r"mistral-nemo|ministral|pixtral",
        notes="[official], [llama.cpp] v3-tekken: no spaces; the system text stands in the last user turn.",
    ),
    _inside_user(
        "mistral-v1",
        ("[INST] ", " [/INST]"),
        ("", "</s>"),
        bos="<s>",
        stops=_MISTRAL_STOPS,
        matches=r"mistral-7b-instruct-v0\.[12]|mixtral-8x7b|zephyr-mistral",
        notes="[official] 7B v0.1 and v0.2, Mixtral 8x7B; no system role, so that its text goes before the user's words.",
    ),
    _inside_user(
        "mistral",
        ("[INST] ", "[/INST]"),
        (" ", "</s>"),
        system_last=True,
        bos="<s>",
        stops=_MISTRAL_STOPS,
        matches=r"mistral|mixtral|codestral",
        notes="[official] v3 (7B v0.3, 8x22B, Large 2407), [magpie] 1.0; the system text stands in the last user turn.",
    ),
    _inside_user(
        "gemma3",
        *_GEMMA,
        bos="<bos>",
        stops=_GEMMA_STOPS,
        matches=r"gemma-?3",
        notes="[official]: the system text stands before the first user's words. Not in [magpie].",
    ),
    _inside_user(
        "gemma2",
        *_GEMMA,
        bos="<bos>",
        stops=_GEMMA_STOPS,
        matches=r"gemma-?(?:2|1\.1|7b|2b|9b|27b)",
        notes="[official] one line break behind `user`, [magpie] has two; the template refuses a system text, which is "
        "put before the user's words as Gemma 3 does.",
    ),
    _turns(
        "phi4-mini",
        ("<|user|>", "<|end|>"),
        ("<|assistant|>", "<|end|>"),
        ("<|system|>", "<|end|>"),
        stops=("<|end|>", "<|assistant|>", "<|user|>", "<|endoftext|>"),
        matches=r"phi-?4-(?:mini|multimodal)",
        notes="[official], [llama.cpp]: no line breaks.",
    ),
    _turns(
        "phi4",
        ("<|im_start|>user<|im_sep|>", "<|im_end|>"),
        ("<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
        ("<|im_start|>system<|im_sep|>", "<|im_end|>"),
        stops=(*_CHATML_STOPS, "<|im_sep|>"),
        matches=r"phi-?4",
        notes="[official]: no line breaks.",
    ),
    _turns(
        "phi3",
        ("<|user|>\n", "<|end|>\n"),
        ("<|assistant|>\n", "<|end|>\n"),
        ("<|system|>\n", "<|end|>\n"),
        stops=("<|end|>", "<|assistant|>", "<|user|>", "<|endoftext|>"),
        matches=r"phi-?3",
        notes="[official] since July 2024 (3 and 3.5): no BOS; [magpie] has the earlier one, with <s>.",
    ),
    _chatml(
        "chatml", matches=r"chatml|hermes|dolphin", notes="The generic format, without BOS and default system text."
    ),
)

FAMILIES: dict[str, Template] = {template.name: template for template in _TABLE}
"""Every family by name, special ones before the general ones that their names contain."""


def find_family(model: str) -> Template:
    """Return the family that a model's name tells, whatever its path or file ending; raises RecipeError naming all."""
    name = re.sub(r"[_\s]+", "-", model.lower())[-200:]
    for template in _TABLE:
        if template.matches and re.search(template.matches, name):
            return template
    known = ", ".join(sorted(FAMILIES))
    raise RecipeError(
        f"model {model!r} tells no chat format; set `family` to one of {known}, or `template` to the model's tokenizer "
        "folder, chat_template.jinja or .gguf file"
    )
