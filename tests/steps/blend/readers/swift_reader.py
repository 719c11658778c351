"""Run by a Python that has ms-swift: load exported files with its own reader and print what it sees."""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "MODELSCOPE_CACHE": tempfile.mkdtemp(), "HF_HOME": tempfile.mkdtemp()}

from swift.dataset import load_dataset
from swift.template.template_inputs import TemplateInputs

folder = Path(sys.argv[1])
seen = {}
for path in sorted(folder.glob("sft.*.json*")):
    form = path.name.removeprefix("sft.").removeprefix("tool_").partition(".")[0]
    if form == "ranking" or (form.startswith(("dpo", "kto")) and not form.endswith("swift")):
        continue  # for other tools
    samples, _ = load_dataset([str(path)], num_proc=1, strict=True)
    seen[path.name] = [{k: v for k, v in row.items() if v is not None} for row in samples]
for form in ("messages", "dpo_swift", "kto_swift"):  # as its command lines load them
    samples, _ = load_dataset(
        [f"{folder}/sft.{name}.jsonl" for name in (form, f"tool_{form}")], num_proc=1, strict=True
    )
    inputs = [TemplateInputs.from_dict(dict(row)) for row in samples]
    seen[form] = [
        {
            side: {"messages": made.messages, "tools": bool(made.tools)}
            for side in ("chosen", "rejected")
            if (made := getattr(each, side)) is not None
        }
        for each in inputs
    ]
print(json.dumps(seen, default=str))
