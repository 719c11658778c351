"""Patterns that are compiled when first used act as compiled ones, and every one that the package has is sound."""

import importlib
import pickle
import pkgutil
import re

import pytest

import sftmill.steps
import sftmill.text
from sftmill.text.lazy import _LazyPattern, lazy_pattern


def modules():
    for package in (sftmill.text, sftmill.steps):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def patterns(value):
    if isinstance(value, _LazyPattern):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from patterns(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from patterns(item)


def test_every_pattern_of_the_package_compiles():
    found = [pattern for module in modules() for value in vars(module).values() for pattern in patterns(value)]
    assert len(found) > 300
    for pattern in found:
        re.compile(pattern.pattern, pattern.flags & ~re.UNICODE)


def test_it_acts_as_the_compiled_pattern():
    lazy, compiled = lazy_pattern(r"(\d+)元", re.I), re.compile(r"(\d+)元", re.I)
    text = "3元和45元"
    assert lazy.findall(text) == compiled.findall(text)
    assert lazy.sub("x", text) == compiled.sub("x", text)
    assert lazy.search(text)[1] == "3"
    assert (lazy.pattern, lazy.flags, lazy.groups) == (compiled.pattern, compiled.flags, 1)


def test_nothing_is_compiled_before_the_first_use():
    faulty = lazy_pattern("(")
    with pytest.raises(re.error):
        faulty.search("")


def test_it_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(lazy_pattern("甲+"))).fullmatch("甲甲")
