"""LLaMA-Factory's dataset_info.json, in a folder that is somebody else's."""

import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import EN, ZH, run
from sftmill.steps.blend.dataset_info import DatasetInfo
from sftmill.steps.blend.export import Export

FOREIGN = """{
  "identity": {"file_name": "identity.json"},

    "自我认知": { "file_name":"自我.json" , "columns":{"prompt":"问","response":"答"}},
  "alpaca_en": {
    "hf_hub_url": "x/alpaca", "num_samples": 1e3
  }
}
"""


def test_foreign_entries_stay_byte_for_byte_and_ours_come_last(tmp_path):
    (tmp_path / "dataset_info.json").write_text(FOREIGN, encoding="utf-8")
    run(Export(), [ZH], tmp_path)
    written = (tmp_path / "dataset_info.json").read_text("utf-8")
    assert written.startswith(FOREIGN.removesuffix("\n}\n") + ",\n")
    assert list(json.loads(written)) == [
        "identity", "自我认知", "alpaca_en", "sft_messages", "sft_alpaca", "sft_sharegpt",
    ]  # fmt: skip
    run(Export(), [EN], tmp_path)
    assert (tmp_path / "dataset_info.json").read_text("utf-8") == written
    run(Export(), [], tmp_path)
    assert (tmp_path / "dataset_info.json").read_text("utf-8") == FOREIGN


def test_line_ends_and_indents_of_others_are_kept(tmp_path):
    foreign = FOREIGN.replace("\n", "\r\n").replace('  "identity"', '\t"identity"')
    (tmp_path / "dataset_info.json").write_bytes(foreign.encode())
    run(Export(forms="alpaca"), [ZH], tmp_path)
    written = (tmp_path / "dataset_info.json").read_bytes().decode()
    assert written.startswith(foreign.removesuffix("\r\n}\r\n"))
    assert '\r\n\t"sft_alpaca": {\r\n\t  "file_name"' in written
    assert written.count("\n") == written.count("\r\n")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_to_the_file_stays_a_link(tmp_path):
    (tmp_path / "factory").mkdir()
    real = tmp_path / "factory" / "dataset_info.json"
    real.write_text(FOREIGN, encoding="utf-8")
    real.chmod(0o640)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset_info.json").symlink_to(real)
    run(Export(), [ZH], tmp_path / "out")
    assert (tmp_path / "out" / "dataset_info.json").is_symlink()
    assert "sft_alpaca" in json.loads(real.read_text("utf-8"))
    assert os.stat(real).st_mode & 0o777 == 0o640


def test_a_readme_of_others_is_kept_around_ours(tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes("# 数据说明\r\n\r\n自己写的。".encode())
    run(Export(), [ZH], tmp_path)
    once = path.read_bytes()
    assert once.startswith("# 数据说明\r\n\r\n自己写的。\n\n<!-- export: sft -->\n".encode())
    path.write_bytes(once + "后来加的。\n".encode())
    run(Export(), [EN], tmp_path)
    run(Export(file_prefix="general"), [EN], tmp_path)
    text = path.read_bytes().decode()
    assert text.startswith("# 数据说明\r\n\r\n自己写的。") and text.endswith("后来加的。\n")
    assert text.count("<!-- export: sft -->") == text.count("<!-- export: general -->") == 1


def test_tables_need_no_dataset_info(tmp_path):
    (tmp_path / "dataset_info.json").write_text("// mine")
    run(Export(forms="csv"), [ZH], tmp_path)
    assert (tmp_path / "dataset_info.json").read_text() == "// mine"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.dictionaries(st.text(max_size=3), values, max_size=2))),
)
def test_any_changes_give_what_a_dict_would(tmp_path_factory, entries, indent, ascii, changes):
    path = tmp_path_factory.mktemp("info") / "dataset_info.json"
    path.write_text(json.dumps(entries, indent=indent, ensure_ascii=ascii), "utf-8")
    info = DatasetInfo(path)
    wanted = dict(entries)
    for name, entry in changes:
        info.set(name, entry)
        if entry is None:
            wanted.pop(name, None)
        else:
            wanted[name] = entry
        assert info.entries == wanted and list(info.entries) == list(wanted)
    info.write()
    assert json.loads(path.read_text("utf-8")) == wanted
