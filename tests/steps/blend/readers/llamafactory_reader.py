"""Run by a Python that has LLaMA-Factory: load the declared data sets as it does and print what it sees."""

import json
import os
import sys
import tempfile
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list

folder = sys.argv[1]
with open(f"{folder}/dataset_info.json") as file:
    names = [name for name in json.load(file) if name.startswith("sft_")]
data = SimpleNamespace(
    dataset_dir=folder,
    streaming=False,
    preprocessing_num_workers=None,
    overwrite_cache=True,
    max_samples=None,
    media_dir=folder,
)
model = SimpleNamespace(cache_dir=tempfile.mkdtemp(), hf_hub_token=None)
training = SimpleNamespace(local_process_index=0, seed=1)
seen = {}
for name, attributes in zip(names, get_dataset_list(names, folder), strict=True):
    samples = _load_single_dataset(attributes, model, data, training)
    seen[name] = {"ranking": attributes.ranking, "rows": list(samples)}
print(json.dumps(seen, default=str))
