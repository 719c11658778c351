"""Those rules of the house that a machine can hold."""

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

import sftmill
from sftmill.columns import COLUMNS, SENSITIVITIES, VIEWS
from sftmill.core import SHAPES, VIEW_OF, Step, shape
from sftmill.models.prompt import PACKAGED
from sftmill.models.settings import Sensitivity
from sftmill.steps import STEPS

SOURCE = Path(sftmill.__file__).parent
TESTS = Path(__file__).parent
LAYERS = [
    {"version", "columns", "errors", "event_loop", "text", "machine", "sandbox"},
    {"sheets", "yaml_values"},
    {"core"},
    {"models"},
    {"flow"},
    {"steps"},
    {"recipe"},
    {"recipe_reader"},
    {"plan_roles", "plan_source"},
    {"plan"},
    {"plan_summary"},
    {"run_directory"},
    {"card", "coverage", "forecast", "holdout", "judge_measures"},
    {"report"},
    {"reserve_sources"},
    {"run_record"},
    {"run"},
    {"iterate", "judge_check", "pilot", "review", "train"},
    {"drafts"},
    {"progress", "starter", "doctor"},
    {"show"},
    {"show_iterate", "show_pilot"},
    {"cli_options"},
    {"cli_coverage", "cli_iterate", "cli_judge", "cli_models", "cli_pilot", "cli_report", "cli_review"},
    {"cli"},
    {"__init__", "__main__"},
]
"""What may import what: a room imports only from rooms above it, or from itself."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    """Return the room that a source file is in."""
    part = path.relative_to(SOURCE).parts[0]
    return part.removesuffix(".py")


def level(name: str) -> int:
    """Return the layer of a room."""
    return next(i for i, rooms in enumerate(LAYERS) if name in rooms)


def imports(path: Path) -> set[str]:
    """Return the modules of sftmill that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sftmill"):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("sftmill"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path):
    own = room(path)
    for module in imports(path):
        other = module.split(".")[1] if "." in module else "version"
        assert level(other) < level(own) or other == own, f"{own} must not import {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "steps"], ids=lambda p: p.name)
def test_steps_never_import_each_other(path):
    steps = {cls.__module__ for cls in STEPS.values()}
    if path == SOURCE / "steps" / "__init__.py":
        return
    assert not imports(path) & steps


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "steps"], ids=lambda p: p.name)
def test_only_models_talk_to_a_model(path):
    allowed = {"sftmill.models.settings"}
    assert not {m for m in imports(path) if m.startswith("sftmill.models")} - allowed


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ("core", "flow", "steps")], ids=lambda p: p.name)
def test_nothing_splits_on_spaces_outside_text(path):
    source = path.read_text("utf-8")
    assert not re.search(r"\.split\(\)|\.split\(\" \"\)", source)


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_every_step_says_what_it_does_and_has_a_test(name, step):
    assert issubclass(step, Step)
    assert shape(step) in SHAPES.values()
    assert step.__doc__
    assert step.__doc__.strip().splitlines()[0].endswith((".", ":")), name
    tested = "\n".join(p.read_text("utf-8") for p in (TESTS / "steps").rglob("test_*.py"))
    assert re.search(rf"\b{step.__name__}\b", tested), f"no test mentions {step.__name__}"


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_every_setting_of_a_step_is_explained(name, step):
    body = ast.parse(textwrap.dedent(inspect.getsource(step))).body[0].body
    explained = {
        field.target.id
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    assert set(step.model_fields) <= explained, f"{name}: a setting has no docstring below it"


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_every_prompt_is_there_in_chinese_and_english(name, step):
    for prompt in step.prompts:
        for lang in ("zh", "en"):
            assert (PACKAGED / name / f"{prompt}.{lang}.md").is_file()


def test_no_prompt_lies_around_unused():
    used = {(name, prompt) for name, step in STEPS.items() for prompt in step.prompts}
    used |= {("house", "json")}
    found = {(p.parent.name, p.name.split(".")[0]) for p in PACKAGED.rglob("*.md")}
    assert found == used


def test_no_prompts_stand_in_python():
    for path in FILES:
        assert "你是一" not in path.read_text("utf-8"), path


def test_columns_mean_something_and_all_base_columns_come_first():
    assert all(column.meaning and not column.meaning.endswith(".") for column in COLUMNS.values())
    assert list(COLUMNS)[:6] == ["id", "root", "parents", "lang", "sensitivity", "stream"]


def test_every_view_can_be_read_and_every_sensitivity_is_in_the_order():
    assert VIEW_OF.keys() == VIEWS.keys()
    assert get_args(Sensitivity) == SENSITIVITIES


def test_the_public_names_are_sorted_and_there():
    assert sftmill.__all__ == sorted(sftmill.__all__)
    for name in sftmill.__all__:
        assert getattr(sftmill, name) is not None


def test_environment_variables_are_read_only_where_a_setting_says_so():
    allowed = {"plan_roles.py", "desk.py", "workers.py", "local.py", "tables.py", "local_child.py", "model_fetch.py"}
    reading = {p.name for p in FILES if re.search(r"os\.(environ|getenv)", p.read_text("utf-8"))}
    assert reading <= allowed


def test_every_public_function_and_class_has_a_docstring():
    missing = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            public = isinstance(node, DEFINITIONS) and not node.name.startswith("_")
            if public and not ast.get_docstring(node) and not _nested(path, node):
                missing.append(f"{path.name}:{node.lineno} {node.name}")
    assert not missing


def _nested(path: Path, wanted: ast.AST) -> bool:
    """Tell whether a definition stands inside a function or a private class."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.ClassDef) and node.name.startswith("_")
        )
        if inside and node.lineno < wanted.lineno <= (node.end_lineno or 0):
            return True
    return False
