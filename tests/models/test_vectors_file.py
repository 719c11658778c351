"""The file of vectors: nothing half-written is ever read, whoever is killed, and two processes can write."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.errors import RecipeError, StorageError
from sftmill.models import vectors_file
from sftmill.models.vectors_file import KEY, VectorFile, hash_texts

ABOUT = {"model": "m", "revision": "1"}


def open_file(tmp_path):
    return VectorFile(tmp_path / "vectors" / "m", ABOUT)


def of(texts, size=4):
    """Return vectors that tell which text they belong to."""
    return np.array([[len(text), *map(ord, text[: size - 1].ljust(size - 1))] for text in texts], np.float32)


def stored(file, texts):
    places = file.find(hash_texts(texts))
    made, sound = file.read(places[places >= 0])
    assert sound.all()
    return dict(zip([text for text, at in zip(texts, places, strict=True) if at >= 0], made.tolist(), strict=True))


def test_what_was_written_is_found_again_also_by_the_next_process(tmp_path):
    texts = ["股票是什么", "What is a bond?", "", "\ud800", "a\0b"]
    file = open_file(tmp_path)
    assert file.find(hash_texts(texts)).tolist() == [-1] * 5 and file.numbers is None
    file.append(hash_texts(texts), of(texts))
    for one in (file, open_file(tmp_path)):
        assert stored(one, [*texts[::-1], "债券"]) == dict(zip(texts, of(texts).tolist(), strict=True))
        assert (len(one), one.numbers) == (5, 4)


def test_a_text_is_kept_once_and_the_first_vector_stays_unless_it_is_made_anew(tmp_path):
    file = open_file(tmp_path)
    file.append(hash_texts(["a", "b", "a"]), of(["a", "b", "x"]))
    file.append(hash_texts(["a"]), of(["y"]))
    assert len(file) == 2
    assert stored(file, ["a"])["a"] == of(["a"])[0].tolist()
    file.append(hash_texts(["a"]), of(["y"]), anew=True)
    for one in (file, open_file(tmp_path)):
        assert stored(one, ["a"])["a"] == of(["y"])[0].tolist()


def test_a_question_and_a_passage_of_the_same_words_are_two_keys():
    assert (hash_texts(["甲"]) != hash_texts(["甲"], "passage")).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 400), max_size=60), max_size=8), st.integers(1, 40))
def test_whatever_comes_in_whatever_order_is_found(tmp_path_factory, batches, recent):
    folder = tmp_path_factory.mktemp("vectors")
    before, vectors_file.RECENT = vectors_file.RECENT, recent
    try:
        file, known = open_file(folder), set()
        for batch in batches:
            texts = [f"文{number}" for number in batch]
            file.append(hash_texts(texts), of(texts) if texts else np.zeros((0, 4), np.float32))
            known |= set(texts)
            everything = [f"文{number}" for number in range(0, 401, 7)] + sorted(known)
            expected = {text: of([text])[0].tolist() for text in everything if text in known}
            assert stored(file, everything) == expected
        assert len(open_file(folder)) == len(known)
    finally:
        vectors_file.RECENT = before


@pytest.mark.parametrize("cut", [1, 7, KEY.itemsize - 1])
def test_a_torn_tail_is_not_read_and_the_next_writer_cuts_it_off(tmp_path, cut):
    file = open_file(tmp_path)
    file.append(hash_texts(["a", "b"]), of(["a", "b"]))
    folder = tmp_path / "vectors" / "m"
    with (folder / "keys").open("ab") as keys, (folder / "vectors").open("ab") as data:
        keys.write(b"x" * cut)
        data.write(b"y" * 5)
    again = open_file(tmp_path)
    assert stored(again, ["a", "b", "c"]).keys() == {"a", "b"}
    again.append(hash_texts(["c"]), of(["c"]))
    for one in (file, again, open_file(tmp_path)):
        assert stored(one, ["c", "a"]) == {"a": of(["a"])[0].tolist(), "c": of(["c"])[0].tolist()}
    assert (folder / "keys").stat().st_size == 3 * KEY.itemsize


def test_a_vector_that_was_damaged_or_lost_with_the_power_is_told_from_the_sound_ones(tmp_path):
    file = open_file(tmp_path)
    file.append(hash_texts(["a", "b", "c"]), of(["a", "b", "c"]))
    data = tmp_path / "vectors" / "m" / "vectors"
    with data.open("r+b") as stream:
        stream.seek(20)
        stream.write(b"\xff")
        stream.truncate(40)
    again = open_file(tmp_path)
    _, sound = again.read(again.find(hash_texts(["a", "b", "c"])))
    assert sound.tolist() == [True, False, False]
    again.append(hash_texts(["b", "c"]), of(["b", "c"]), anew=True)
    assert len(stored(again, ["a", "b", "c"])) == 3


def test_vectors_of_another_length_are_refused_with_the_remedy(tmp_path):
    file = open_file(tmp_path)
    file.append(hash_texts(["a"]), of(["a"]))
    with pytest.raises(RecipeError, match=r"of 6 numbers, and before of 4.*another `revision`"):
        file.append(hash_texts(["b"]), of(["b"], 6))


@pytest.mark.parametrize("said", ["{", '{"version": 99, "numbers": 4}', '{"version": 1}', "[]"])
def test_a_folder_that_cannot_be_used_says_what_to_delete(tmp_path, said):
    folder = tmp_path / "vectors" / "m"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(said)
    with pytest.raises(StorageError, match="delete the folder"):
        open_file(tmp_path)


def test_a_disk_that_does_not_write_says_so(tmp_path):
    file = open_file(tmp_path)
    (tmp_path / "vectors").write_text("no folder")
    with pytest.raises(StorageError, match="same command again"):
        file.append(hash_texts(["a"]), of(["a"]))


def _write_on(folder, name, go):
    file = VectorFile(folder, ABOUT)
    go.wait()
    for number in range(100_000):
        texts = [f"{name} {number} {i}" for i in range(20)] + [f"both {number}"]
        file.append(hash_texts(texts), of(texts, 64))


def test_two_processes_write_at_once_and_one_killed_at_any_moment_leaves_only_whole_vectors(tmp_path):
    folder = tmp_path / "vectors" / "m"
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    workers = [context.Process(target=_write_on, args=(folder, name, go), daemon=True) for name in "甲乙"]
    for worker in workers:
        worker.start()
    go.set()
    file = VectorFile(folder, ABOUT)
    deadline = time.monotonic() + 120
    while len(file) < 500:
        assert time.monotonic() < deadline
    os.kill(workers[0].pid, signal.SIGKILL)
    workers[0].join()
    at_death = len(file)
    while len(file) < at_death + 200:
        assert time.monotonic() < deadline
    os.kill(workers[1].pid, signal.SIGKILL)
    workers[1].join()
    again = VectorFile(folder, ABOUT)
    again.append(hash_texts(["last"]), of(["last"], 64))
    texts = [f"{name} {number} {i}" for name in "甲乙" for number in range(1000) for i in range(20)]
    texts += [f"both {number}" for number in range(1000)] + ["last"]
    found = stored(again, texts)
    assert len(found) == len(again) > at_death + 200, "every key is one of ours, and none stands twice"
    assert all(found[text] == of([text], 64)[0].tolist() for text in found)
