import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "packaging" / "make_bundle.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="install.sh needs a POSIX shell")


@pytest.fixture
def bundle():
    spec = importlib.util.spec_from_file_location("make_bundle", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def staged(bundle, tmp_path):
    """A bundle's folder with everything but real wheels."""
    folder = tmp_path / "sftmill-0-test"
    (folder / "wheels").mkdir(parents=True)
    tiny_wheel(folder / "wheels", bundle.version())
    bundle.lay_out(folder, [])
    (folder / "requirements.txt").write_text("")
    return folder


def tiny_wheel(folder, version):
    """Write a wheel named sftmill whose command answers anything with its version."""
    info = f"sftmill-{version}.dist-info"
    with zipfile.ZipFile(folder / f"sftmill-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_sftmill.py", f"def main():\n    print({version!r})\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: sftmill\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\nsftmill = tiny_sftmill:main\n")
        wheel.writestr(f"{info}/RECORD", "")


def unpacked(bundle, staged, tmp_path, more=None):
    archive = bundle.pack(staged, more or {}, tmp_path / "out.tar")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "there", filter="data")
    return tmp_path / "there" / staged.name


def install(folder, target, **environment):
    # the interpreter under a virtual environment: a test may itself run in one
    python = os.path.realpath(sys.executable)
    values = {"PATH": os.environ["PATH"], "HOME": str(target.parent), "PYTHON": python, **environment}
    done = subprocess.run(["sh", str(folder / "install.sh"), str(target)], env=values, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_same_files_make_the_same_bytes(bundle, staged, tmp_path):
    first = bundle.pack(staged, {}, tmp_path / "a.tar").read_bytes()
    for file in staged.rglob("*"):
        os.utime(file, (1, 1))
    assert bundle.pack(staged, {}, tmp_path / "b.tar").read_bytes() == first


def test_the_archive_is_in_order_and_owned_by_nobody(bundle, staged, tmp_path):
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"weights")
    with tarfile.open(bundle.pack(staged, {"weights/model.gguf": weights}, tmp_path / "a.tar")) as tar:
        entries = tar.getmembers()
    names = [entry.name for entry in entries]
    assert names == sorted(names)
    assert {(e.uid, e.gid, e.uname, e.gname, e.mtime) for e in entries} == {(0, 0, "", "", bundle.STAMP)}
    inside = {name.split("/", 1)[1] for name in names}
    assert {"install.sh", "README.md", "SHA256SUMS", "LICENSE", "demo/demo.yaml", "weights/model.gguf"} <= inside
    assert next(e.mode for e in entries if e.name.endswith("install.sh")) == 0o755
    assert not list(tmp_path.glob("*.part"))


def test_the_sums_cover_every_file_and_hold(bundle, staged, tmp_path):
    folder = unpacked(bundle, staged, tmp_path)
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert listed == there - {"SHA256SUMS"}
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
        subprocess.run(["sha256sum", "-c", "--quiet", "out.tar.sha256"], cwd=tmp_path, check=True)


def test_nothing_is_left_to_fill_in(staged):
    for name in ("install.sh", "README.md"):
        assert "@" not in (staged / name).read_text("utf-8").replace('"$@"', "")
    assert "离线" in (staged / "README.md").read_text("utf-8") and "Offline" in (staged / "README.md").read_text(
        "utf-8"
    )


def test_the_demo_in_it_is_a_recipe_that_finds_its_document(staged):
    from sftmill.recipe_reader import load_recipe

    recipe = load_recipe(staged / "demo" / "demo.yaml")
    assert recipe.streams["books"].steps[0].step.problems() == []


def test_a_damaged_file_is_named_and_nothing_is_installed(bundle, staged, tmp_path):
    folder = unpacked(bundle, staged, tmp_path)
    with open(folder / "requirements.txt", "a") as file:
        file.write("evil\n")
    status, said = install(folder, tmp_path / "venv")
    assert status == 1 and "requirements.txt" in said and "copy the archive again" in said
    assert not (tmp_path / "venv").exists()


def test_another_python_is_refused(bundle, staged, tmp_path):
    folder = unpacked(bundle, staged, tmp_path)
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.7\n")
    other.chmod(0o755)
    status, said = install(folder, tmp_path / "venv", PYTHON=str(other))
    assert status == 1 and "Python 3.7" in said
    status, said = install(folder, tmp_path / "venv", PYTHON="no-such-python")
    assert status == 1 and "no no-such-python here" in said


def test_another_machine_is_refused(bundle, staged, tmp_path):
    script = staged / "install.sh"
    script.write_text(script.read_text().replace(os.uname().machine, "riscv128"))
    status, said = install(unpacked(bundle, staged, tmp_path), tmp_path / "venv")
    assert status == 1 and "riscv128" in said


def test_weights_and_no_weights_exclude_each_other(bundle, capsys):
    with pytest.raises(SystemExit):
        bundle.main(["--weights", "a", "--no-weights"])
    assert "exclude each other" in capsys.readouterr().err


def test_unknown_weights_are_named_with_those_that_there_are(bundle):
    with pytest.raises(SystemExit, match="no embedded model is called 'gpt'"):
        bundle.find_weights(["gpt"])


@pytest.mark.slow
def test_the_installer_makes_an_environment_from_the_folder_alone(bundle, staged, tmp_path):
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"weights")
    folder = unpacked(bundle, staged, tmp_path, {"weights/model.gguf": weights})
    away = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_TARGET": str(tmp_path / "elsewhere")}
    status, said = install(folder, tmp_path / "venv", MODELS=str(tmp_path / "models"), **away)
    assert status == 0, said
    out = subprocess.run([tmp_path / "venv" / "bin" / "sftmill"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == bundle.version()
    assert (tmp_path / "models" / "model.gguf").read_bytes() == b"weights"
