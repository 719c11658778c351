"""The bars about Magpie: prefixes token for token as tokenizers write them, and what is left of live draws."""

import importlib
import sys
import tempfile
from collections import Counter
from pathlib import Path

from common import REPOSITORY, CannotMeasure, Result, say

MODEL = "qwen2.5-coder-0.5b-instruct"
DRAWS = {True: 60, False: 200}
"""Live draws, quick and full; the bar is set for 200."""
KEPT = 0.4
TOPICS = ("Debian 系统运维", "企业财务分析", "个人理财与保险")
SYSTEM = "你是一名助手。Be brief."
HISTORY = [("你好，介绍一下自己", "我是助手。"), ("Then what?", "Nothing.")]


def magpie_prefix(quick: bool) -> list[Result]:
    """Compare each family's prefix, from the table and cut from tokenizer files, with `apply_chat_template`."""
    from sftmill.steps.instruct.magpie.magpie_chat_template import load_template
    from sftmill.steps.instruct.magpie.magpie_families import FAMILIES

    try:
        import transformers
    except ImportError:
        raise CannotMeasure("transformers is not here; pip install 'sftmill[train]'") from None
    sys.path.insert(0, str(REPOSITORY / "tests"))
    formats = importlib.import_module("chat_formats")
    turns = [m for q, a in HISTORY for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})]
    wrong, compared, bos_wrong = [], 0, []
    with tempfile.TemporaryDirectory(prefix="sftmill-magpie-") as folder:
        for name, form in formats.FORMATS.items():
            made = formats.tokenizer(form)
            cut = load_template(formats.save(form, Path(folder) / name))
            for kind, template in (("table", FAMILIES[name]), ("tokenizer", cut)):
                for system, history in ((None, []), (SYSTEM, []), (None, HISTORY), (SYSTEM, HISTORY)):
                    if system and form.refuses_system:
                        continue
                    head = [{"role": "system", "content": system}] if system else []
                    want = formats.ids_before_words(made, head + (turns if history else []))
                    text = template.prefix(system, history, bos=not template.server_adds_bos)
                    ids = made.encode(text, add_special_tokens=True)
                    compared += 1
                    if ids != want:
                        wrong.append(f"{name} ({kind})")
                    for token in form.adds:
                        times = 1 + len(history) * (template.after or "").count(token)
                        if ids.count(made.convert_tokens_to_ids(token)) != times:
                            bos_wrong.append(f"{name} ({kind})")
    tested = len(formats.FORMATS)
    exact = tested - len({entry.partition(" ")[0] for entry in (*wrong, *bos_wrong)})
    missing = sorted(FAMILIES.keys() - formats.FORMATS.keys())
    return [
        Result(
            "magpie_prefix",
            exact,
            len(FAMILIES),
            at_least=True,
            note=f"{exact} of {tested} families exact in {compared} comparisons of ids (with and without system text and "
            f"history; from the table and cut from tokenizer files), transformers {transformers.__version__}",
            broken="; ".join(
                f"{what}: {', '.join(dict.fromkeys(names))}"
                for what, names in (("other ids", wrong), ("BOS not once", bos_wrong), ("not tested", missing))
                if names
            ),
        )
    ]


def magpie_live(quick: bool) -> list[Result]:
    """Draw from the embedded model under Chinese domain texts and count what is left after each rule."""
    from sftmill.core import question
    from sftmill.errors import SftmillError
    from sftmill.flow.shards import ShardList, shard_files
    from sftmill.models.model_files import find
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe

    if find(MODEL) is None:
        raise CannotMeasure(f"the embedded model is not here; run `sftmill model fetch {MODEL} --accept-carrier`")
    draws = DRAWS[quick]
    say(f"magpie_live: {draws} draws from {MODEL}")
    with tempfile.TemporaryDirectory(prefix="sftmill-magpie-") as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(
            "name: magpie\nlang: zh\nmodels:\n  teacher: {local: " + MODEL + "}\nstreams:\n  drawn:\n"
            f"    - draws: {{count: {draws}, topics: [{', '.join(TOPICS)}]}}\n    - magpie: {{max_tokens: 200}}\n",
            "utf-8",
        )
        try:
            manifest = run_recipe(load_recipe(file), Path(folder) / "runs" / "magpie")
        except SftmillError as error:
            raise CannotMeasure(str(error)) from error
        counts = next(found for key, found in manifest["counts"].items() if key.endswith("-magpie"))
        stage = next((Path(folder) / "runs" / "magpie" / "streams" / "drawn").glob("*-magpie"))
        kept = [question(row) for row in ShardList(shard_files(stage)).rows()]
    left = draws
    print(f"  {'rule':<18}{'dropped':>9}{'share kept after it':>22}")
    for reason, number in Counter(counts["dropped"]).most_common():
        left -= number
        print(f"  {reason:<18}{number:>9}{left / draws:>22.0%}")
    for text in kept[:: max(1, len(kept) // 6)][:6]:
        print(f"    {text[:110]!r}")
    note = (
        f"{counts['out']} of {draws} draws kept, {len(set(kept))} of them different; {counts['failed']} failed; "
        f"{counts['tokens'] / max(1, counts['out']):.0f} tokens per instruction, {manifest['seconds']:.0f} s"
    )
    return [Result("magpie_live", counts["out"] / draws, KEPT, at_least=True, note=note)]
