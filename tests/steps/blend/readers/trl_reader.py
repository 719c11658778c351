"""Run by a Python that has TRL: load exported files with `datasets`, render them, and print what a trainer sees."""

import json
import sys
import tempfile
from pathlib import Path

import trl
from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import apply_chat_template

disable_progress_bars()
folder = Path(sys.argv[1])
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")))
tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
# TRL's own copy of Qwen3's template: what such a model is trained on.
tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text("utf-8")
seen = {"version": trl.__version__}
for path in sorted(folder.glob("sft.*.json*")):
    if "swift" in path.name or path.suffix == ".json":
        continue
    samples = load_dataset("json", data_files=str(path), split="train", cache_dir=tempfile.mkdtemp())
    if "ranking" in path.name:
        seen[path.name] = list(samples)
        continue
    rows = []
    for sample in samples:
        tools = json.loads(sample.pop("tools", "null"))
        rows.append(apply_chat_template(sample, tokenizer, tools=tools))
    seen[path.name] = rows
print(json.dumps(seen, default=str))
