"""What code decides a step's rows, and so when they are made again."""

import ast
from pathlib import Path

import pytest

from sftmill.plan_source import imported_modules, module_file, source_digest
from sftmill.steps import STEPS
from sftmill.steps.curate.dedup import dedup


def test_an_import_inside_a_function_counts():
    assert "sftmill.steps.curate.filters.defects" in imported_modules(STEPS["format_filter"].__module__)


def test_the_import_of_a_constant_counts():
    assert "sftmill.steps.ingest.personal.surnames" in imported_modules("sftmill.steps.ingest.personal.names")


def test_a_name_that_a_package_hands_on_counts_as_the_module_that_defines_it():
    assert "sftmill.text.numbers" in imported_modules("sftmill.steps.instruct.selfqa.density")


def test_the_table_of_steps_and_other_libraries_do_not_count():
    assert module_file("sftmill.steps") is None
    assert module_file("sftmill.models.desk") is None
    assert module_file("numpy") is None


@pytest.mark.parametrize("name", ["dedup", "decontaminate", "best_of_n", "verify_code", "export", "books"])
def test_every_module_that_python_would_import_for_a_step_is_found(name):
    waiting, seen = [STEPS[name].__module__], set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        found = set(imported_modules(module))
        for node in ast.walk(ast.parse(module_file(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and module_file(node.module or ""):
                is_package = module_file(node.module).name == "__init__.py"
                assert is_package or node.module in found
        waiting += found


def test_a_change_in_a_module_imported_by_a_module_changes_the_digest(tmp_path, monkeypatch):
    before = source_digest(dedup.Dedup)
    kernels = module_file("sftmill.steps.curate.dedup.kernels")
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"\n# another line" if path.name == kernels.name else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    assert source_digest(dedup.Dedup) != before
    monkeypatch.undo()
    assert source_digest(dedup.Dedup) == before
