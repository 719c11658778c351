"""Values between two processes: what crosses is the same there, and of a builtin type."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.sandbox.peer import NotPlain, is_standard, pack, unpack
from sftmill.sandbox.syscalls import MACHINES, filter_program

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.complex_numbers(allow_nan=False),
    st.decimals(allow_nan=False), st.fractions(), st.dates(), st.datetimes(), st.timedeltas(),
)  # fmt: skip
hashable = st.recursive(leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=3) | st.sets(hashable, max_size=3)
    ),
    max_leaves=15,
)


def refuse(value):
    raise AssertionError(f"{value!r} is plain")


@given(values)
def test_plain_values_cross_unchanged(value):
    import json

    back = unpack(json.loads(json.dumps(pack(value, refuse))), refuse)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value", [range(3, 10**20, 7), ..., NotImplemented, len, math.sqrt, int, math, ValueError, bytearray(b"x")]
)
def test_what_the_library_names_crosses_by_name(value):
    back = unpack(pack(value, refuse), refuse)
    assert back is value or back == value


def test_a_subclass_is_not_plain():
    class Sly(int):
        pass

    assert pack(Sly(3), lambda v: "handle") == "handle"
    assert pack([Sly(3)], lambda v: "handle") == ["l", "handle"]


def test_a_value_that_holds_itself_does_not_cross():
    loop = []
    loop.append(loop)
    with pytest.raises(NotPlain):
        pack(loop, refuse)


def test_modules_of_the_library_are_known():
    assert is_standard("xml.etree.ElementTree")
    assert not is_standard("numpy")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_of_each_machine_is_well_formed(machine):
    program = filter_program(machine)
    size = len(program) // 8
    assert len(program) % 8 == 0
    assert size < 4096
    for at in range(size):
        code, yes, no = program[8 * at], program[8 * at + 2], program[8 * at + 3]
        if code in (0x15, 0x35):
            assert at + 1 + max(yes, no) < size
    assert program[-8] == 0x06
