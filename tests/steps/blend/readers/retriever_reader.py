"""Run by a Python that has sentence-transformers, FlagEmbedding and datasets: read exported triplets as they do."""

import json
import sys
import tempfile
from types import SimpleNamespace

from datasets import disable_progress_bars, load_dataset

disable_progress_bars()
folder, tool = sys.argv[1:]
seen = {}
if tool == "sentence_transformers":
    from sentence_transformers.base.data_collator import BaseDataCollator

    def remembering(asked):
        return lambda texts, **more: asked.append(texts) or {"input_ids": texts}

    for name in ("triplets_st", "pairs_st"):
        samples = load_dataset(
            "json", data_files=f"{folder}/sft.{name}.jsonl", split="train", cache_dir=tempfile.mkdtemp()
        )
        asked = []
        collate = BaseDataCollator(preprocess_fn=remembering(asked))
        batch = collate(list(samples))
        seen[name] = {"columns": samples.column_names, "asked": asked, "labels": "label" in batch}
else:
    from FlagEmbedding.abc.finetune.embedder.AbsDataset import AbsEmbedderTrainDataset

    arguments = SimpleNamespace(
        train_data=[f"{folder}/sft.triplets_flag.jsonl"], cache_path=tempfile.mkdtemp(), train_group_size=3,
        knowledge_distillation=False, max_example_num_per_dataset=100, query_instruction_for_retrieval=None,
        passage_instruction_for_retrieval=None, shuffle_ratio=0.0,
    )  # fmt: skip
    rows = AbsEmbedderTrainDataset(arguments, tokenizer=None)
    seen["rows"] = [rows[i][:2] for i in range(len(rows))]
print(json.dumps(seen))
