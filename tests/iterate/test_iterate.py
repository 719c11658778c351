"""Rounds of generating, tuning and testing, with commands that are small programs of the test."""

import json
import sys

import pytest

from sftmill.errors import RecipeError, RunError
from sftmill.iterate import Command, decide, iterate
from sftmill.iterate.adoption import Score
from sftmill.iterate.commands import read_role, read_scores
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe

TRAIN = """
import json, pathlib, sys
job = json.load(open(sys.argv[1]))
lines = open(job["data"]).read().splitlines()
with open("trained.log", "a") as log:
    print(job["round"], job["base"], len(lines), file=log)
role = {"endpoint": "http://127.0.0.1:9/v1", "model": f"tuned-{job['round']}"}
pathlib.Path(job["out"], "role.json").write_text(json.dumps(role))
"""
TEST = """
import json, pathlib, sys
job = json.load(open(sys.argv[1]))
scores = json.load(open("scores.json"))[job["role"]["model"]]
lines = [json.dumps({"id": str(i), "score": s}) for i, s in enumerate(scores)]
pathlib.Path(job["out"], "scores.jsonl").write_text("\\n".join(lines))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A recipe that answers four questions, and commands that tune and test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "questions.jsonl").write_text("\n".join(json.dumps({"question": f"问题{i}是什么？"}) for i in range(4)))
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "test.py").write_text(TEST)
    recipe = {
        "name": "loop",
        "lang": "zh",
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "raw"}},
        "streams": {"tasks": [{"samples": {"file": "questions.jsonl"}}, "respond"]},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return load_recipe(tmp_path / "recipe.yaml")


def run(project, rounds, scores, role="teacher"):
    """Run the loop, with the scores that each model gets."""
    with open("scores.json", "w") as file:
        json.dump(scores, file)
    commands = [Command((sys.executable, name)) for name in ("train.py", "test.py")]
    return iterate(
        project,
        project.path.parent / "runs" / "loop",
        role,
        "base-7b",
        *commands,
        rounds,
        providers=lambda values: {"teacher": [ScriptedProvider({"default": {"say": f"{values['model']} answers"}})]},
    )


RISING = {"raw": [0.1, 0.2, 0.3, 0.2], "tuned-1": [0.5, 0.6, 0.7, 0.6], "tuned-2": [0.5, 0.6, 0.7, 0.61]}


def test_a_better_generator_is_adopted_and_one_that_is_no_better_is_not(project):
    done = run(project, 2, RISING)
    assert [round.adoption.adopted for round in done] == [True, False]
    assert [round.generator["model"] for round in done] == ["raw", "tuned-1"]


def test_every_round_trains_from_the_base_on_all_samples_so_far(project):
    run(project, 2, RISING)
    with open("trained.log") as log:
        assert log.read().splitlines() == ["1 base-7b 4", "2 base-7b 4"]


def test_what_is_done_is_not_done_again(project):
    run(project, 1, RISING)
    run(project, 2, RISING)
    run(project, 2, RISING)
    with open("trained.log") as log:
        assert len(log.read().splitlines()) == 2


def test_the_state_says_what_was_decided_and_why(project):
    run(project, 2, RISING)
    state = json.loads((project.path.parent / "runs" / "loop" / "iterate.json").read_text())
    assert [item["adoption"]["adopted"] for item in state["rounds"]] == [True, False]
    assert "standard error" in state["rounds"][1]["adoption"]["reason"]


def test_an_unknown_role_is_named_with_those_that_there_are(project):
    with pytest.raises(RecipeError, match=r"no role 'student'.*there are: teacher"):
        run(project, 1, RISING, role="student")


def test_a_command_that_fails_is_named_with_its_last_lines(project):
    with open("train.py", "w") as file:
        file.write("raise SystemExit('no GPU here')")
    with pytest.raises(RunError, match=r"ended with status 1(?s:.*)no GPU here"):
        run(project, 1, RISING)


def test_a_command_that_is_not_there_is_named(project, tmp_path):
    with pytest.raises(RunError, match="cannot start 'no-such-program'"):
        Command(("no-such-program",)).run({"out": str(tmp_path / "out")}, tmp_path / "job.json")


def scores(*values, form=True):
    return {str(i): Score(value, form) for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("before", "after", "adopted"),
    [
        ((0, 0, 0, 0), (1, 1, 1, 1), True),
        ((0, 0, 0, 0), (0, 0, 0, 0), False),
        ((0, 0, 0, 0), (1, 0, 0, 0), False),  # mean difference .25, standard error .25: not more
        ((0, 0, 0, 0), (1, 1, 0, 0), True),  # .5 against .289
        ((1, 1), (0, 0), False),
        ((0,), (1,), False),  # one item proves nothing
    ],
)
def test_a_gain_of_more_than_one_standard_error_is_needed(before, after, adopted):
    assert decide(scores(*before), scores(*after)).adopted is adopted


def test_a_model_that_has_lost_the_form_is_not_adopted_however_good_it_is():
    after = scores(1, 1, 1, 1) | {"0": Score(1, False)}
    found = decide(scores(0, 0, 0, 0), after)
    assert not found.adopted
    assert "75%" in found.reason


def test_other_test_items_than_before_are_refused():
    with pytest.raises(RunError, match="item '1' was scored only once"):
        decide(scores(0), scores(0, 1))


@pytest.mark.parametrize("line", ['{"id": "a"}', '{"id": "a", "score": "NaN"}', "[]", "{", '{"id":"b","score":1}'])
def test_a_broken_score_is_named_by_its_line(tmp_path, line):
    (tmp_path / "scores.jsonl").write_text('{"id":"b","score":1}\n' + line)
    with pytest.raises(RunError, match=r"scores.jsonl:2: "):
        read_scores(tmp_path)


@pytest.mark.parametrize("text", ["", "{}x", '{"modell": "a"}', "[]"])
def test_a_broken_role_is_named(tmp_path, text):
    (tmp_path / "role.json").write_text(text)
    with pytest.raises(RunError, match=r"role.json"):
        read_role(tmp_path)


def test_a_line_is_read_as_words_without_a_shell():
    assert Command.parse("python 'my train.py' --lr 1e-5").words == ("python", "my train.py", "--lr", "1e-5")
    for line in ("", "python 'oops"):
        with pytest.raises(RunError):
            Command.parse(line)
