"""Run by a Python that has ms-swift: encode exported files with its own template and print what would be learnt."""

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

os.environ |= {"HF_HUB_OFFLINE": "1", "MODELSCOPE_CACHE": tempfile.mkdtemp(), "HF_HOME": tempfile.mkdtemp()}

from swift.dataset import load_dataset
from swift.template import get_template
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

folder = Path(sys.argv[1])
letters = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
letters.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<|im_end|>", pad_token="<|pad|>")
tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
tokenizer.model_info = SimpleNamespace(
    max_model_len=8192, task_type="causal_lm", model_type="qwen2_5", torch_dtype=None, config=None, num_labels=None,
    model_dir=".", is_moe_model=False,
)  # fmt: skip
tokenizer.model_meta = SimpleNamespace(
    is_multimodal=False, template="qwen2_5", is_reward=False, is_reranker=False, task_type="causal_lm"
)
seen = {"learnt": [], "triplets": {}}
template = get_template(tokenizer, template_type="qwen2_5")
template.set_mode("train")
samples, _ = load_dataset([f"{folder}/sft.messages.jsonl", f"{folder}/sft.masked_swift.jsonl"], num_proc=1, strict=True)
for row in samples:
    made = template.encode(dict(row))
    learnt = [token for token in made["labels"] if token != -100]
    seen["learnt"].append([tokenizer.decode(made["input_ids"]), tokenizer.decode(learnt)])
for name, task in (
    ("triplets_swift", "embedding"),
    ("pairs_swift", "embedding"),
    ("triplets_swift_reranker", "reranker"),
):
    tokenizer.model_info.task_type = tokenizer.model_meta.task_type = task
    template = get_template(tokenizer, template_type="qwen2_5")
    template.task_type = task
    template.set_mode("train")
    samples, _ = load_dataset([f"{folder}/sft.{name}.jsonl"], num_proc=1, strict=True)
    rows = []
    for row in samples:
        made = template.encode(dict(row))
        shown = {}
        for key, value in made.items():
            if key.endswith("input_ids"):
                shown[key] = (
                    [tokenizer.decode(one) for one in value] if isinstance(value[0], list) else tokenizer.decode(value)
                )
        rows.append({**shown, "labels": made["labels"]})
    seen["triplets"][name] = rows
print(json.dumps(seen))
