"""Run by a Python that has TRL and torch: label masked rows as the README says, and print what a trainer would learn."""

import json
import sys
import tempfile
from pathlib import Path

import trl
from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import SFTConfig, SFTTrainer

disable_progress_bars()
folder = Path(sys.argv[1])
bytes_tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
bytes_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_tokenizer.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>")
tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text("utf-8")
code = (folder / "README.md").read_text("utf-8").split("```python\ndef labelled")[1].split("```")[0]
scope = {"json": json}
exec(f"def labelled{code}", scope)
rows = load_dataset("json", data_files=f"{folder}/sft.masked_spans.jsonl", split="train", cache_dir=tempfile.mkdtemp())
rows = rows.map(lambda row: scope["labelled"](row, tokenizer), remove_columns=rows.column_names)
shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
settings = SFTConfig(
    output_dir=tempfile.mkdtemp(), max_steps=1, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
    per_device_train_batch_size=1, disable_tqdm=True,
)  # fmt: skip
toy = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=2, **shape))
trainer = SFTTrainer(model=toy, args=settings, train_dataset=rows, processing_class=tokenizer)
batches = [batch["labels"].tolist()[0] for batch in trainer.get_train_dataloader()]
print(json.dumps(sorted(tokenizer.decode([token for token in labels if token != -100]) for labels in batches)))
