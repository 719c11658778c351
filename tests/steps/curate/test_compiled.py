"""The compiled loops, and the machine code of them that is kept on disk."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed (extra `scale`)")

SEARCHES = """
import numpy as np
from sftmill.steps.curate.decontaminate import index, scan_kernel
from sftmill.steps.curate.decontaminate.items import Item
from sftmill.steps.instruct.novelty import bit_counts
from sftmill.steps.instruct.novelty.bit_columns import BitColumns

texts = index.Texts(np.zeros(8, np.uint8), np.zeros(1, np.int64), np.full(1, 8), np.arange(1))
index.Index([Item("set", "1", "What does the pump at the river do?", (), "")], "words", 8, False).search(texts)
columns = BitColumns(8)
columns.append([1, 2])
columns.search([1, 2], [(1, -1)])
missed = [sum(loop.stats.cache_misses.values()) for loop in (scan_kernel.scan, bit_counts.search)]
print(sum(missed))
"""


@pytest.mark.slow
def test_a_second_program_finds_the_machine_code_that_the_first_one_made(tmp_path):
    def missed():
        command = [sys.executable, "-c", SEARCHES]
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    assert missed() == "2"
    assert missed() == "0"
