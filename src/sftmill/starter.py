"""`sftmill init`: a folder with a recipe that runs, and a sample book to try it on."""

import shutil
from pathlib import Path

from sftmill.errors import RunError

SAMPLES = Path(__file__).parent / "sample"

RECIPE = """\
# sftmill plan {folder}/recipe.yaml     free and offline: proves that everything fits
# sftmill run  {folder}/recipe.yaml     the same command goes on after a stop
name: {name}
lang: {lang}

models:
  teacher:
    # a server of yours (vLLM, SGLang, llama.cpp ...):
    endpoint: http://127.0.0.1:8000/v1
    model: Qwen2.5-72B-Instruct
    # revision: the weights' version; part of what the ledger knows answers by
    # a paid service instead:
    # endpoint: https://api.example.com/v1
    # key_env: TEACHER_API_KEY            # the variable that holds the key; the key itself never stands here
    # price: {{prompt: 2.0, completion: 8.0, currency: CNY}}   # per million tokens
    # or the small embedded model, to see how it goes: sftmill model fetch qwen2.5-coder-0.5b-instruct
    # local: qwen2.5-coder-0.5b-instruct

# budget: {{money: 100, currency: CNY}}     # a hard stop; the run can go on when it is raised

streams:
  books:
    # public: may be sent to any endpoint. internal: only to private addresses. secret: only to `accept: secret`
    - books: {{folder: books, sensitivity: internal}}
    - split: {{size: 600}}
    - selfqa_questions
    - question_form
    - selfqa_answers
    - grounded
    - dedup

finish:
  - export
"""


def write_starter(folder: Path, lang: str) -> list[Path]:
    """Write a recipe and a sample book into a new folder; return the files. Raises RunError when it is not empty."""
    if lang not in ("zh", "en"):
        raise RunError(f"--lang {lang!r} is not supported; use zh or en")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is there already and not empty; give the name of a new folder")
    books = folder / "books"
    books.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.yaml"
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.resolve().name) or "my-domain"
    recipe.write_text(RECIPE.format(folder=folder, name=name, lang=lang), "utf-8")
    book = books / "server_room.md"
    shutil.copyfile(SAMPLES / f"server_room.{lang}.md", book)
    return [recipe, book]
