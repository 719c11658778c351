"""Run by a Python that has TRL and torch: train a toy model for a step on each exported file."""

import json
import sys
import tempfile
from pathlib import Path

from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

disable_progress_bars()
folder = Path(sys.argv[1])
bytes_tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
bytes_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_tokenizer.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>")
tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
tokenizer.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
losses = {}
for name, trainer, config in (
    ("sft.messages.jsonl", SFTTrainer, SFTConfig),
    ("sft.dpo_trl.jsonl", DPOTrainer, DPOConfig),
    ("sft.kto_trl.jsonl", KTOTrainer, KTOConfig),
):
    samples = load_dataset("json", data_files=str(folder / name), split="train", cache_dir=tempfile.mkdtemp())
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    toy = Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=2, **shape)
    settings = config(
        output_dir=tempfile.mkdtemp(),
        max_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=2,
        disable_tqdm=True,
    )
    # A DPO or KTO trainer loads its reference model again, from where the model came from.
    more = {} if trainer is SFTTrainer else {"ref_model": Qwen2ForCausalLM(toy)}
    made = trainer(
        model=Qwen2ForCausalLM(toy), args=settings, train_dataset=samples, processing_class=tokenizer, **more
    )
    losses[name] = made.train().training_loss
print(json.dumps(losses))
