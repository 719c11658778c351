"""Templates with computed answers, and wordings that keep every value."""

import asyncio
import datetime
import json
import re
from collections import Counter
from fractions import Fraction
from random import Random
from types import SimpleNamespace

import pytest

from sftmill.core import Drop, Dropped, answer, question
from sftmill.errors import RecipeError
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.templates.reword import Reword, Wordings
from sftmill.steps.instruct.templates.slot_check import find_slot_fault
from sftmill.steps.instruct.templates.template_grammar import read_templates
from sftmill.steps.instruct.templates.templates import Templates

GRAMMAR = """
templates:
  - name: interest_zh
    topic: 利息
    patterns:
      - 老王在{bank}存入{sum}，年利率{rate}，存期{years}，按单利计算，到期能得多少利息？
      - 一笔{sum}的款项存在{bank}，单利年利率为{rate}，{years}后利息是多少？
    slots:
      bank: {type: term, of: [东湖银行, 青山信用社]}
      sum: {type: money, from: 500, to: 200000, step: 500}
      rate: {type: percent, from: 1.25, to: 5, step: 0.25}
      years: {type: int, from: 2, to: 9, unit: 年}
    where: rate * years < 0.3
    compute:
      interest: {value: sum * rate * years, type: money}
    answer: 到期利息为{interest}。
  - name: price_zh
    patterns: ["将一件商品的价格从{old}调整到{new}，{kind}了多少元？"]
    slots:
      old: {type: money, from: 20, to: 900, step: 0.5}
      new: {type: money, from: 20, to: 900, step: 0.5}
      kind: {type: choice, of: [上涨, 下降]}
    where: [old != new, "(kind == '上涨' and new > old) or (kind == '下降' and new < old)"]
    compute: {difference: {value: abs(new - old), type: money}}
    answer: "{kind}了{difference}。"
  - name: distance_en
    lang: en
    patterns:
      - "A {vehicle} covers {way} in {time}. What is its average speed in km/h?"
      - "It takes a {vehicle} {time} to go {way}. Find the average speed in km/h."
    slots:
      vehicle: {type: choice, of: [truck, bus, train]}
      way: {type: int, from: 30, to: 960, step: 5, unit: km}
      time: {type: decimal, from: 0.5, to: 12, step: 0.25, unit: hour|hours}
    where: way / time < 160
    compute: {speed: {value: way / time, decimals: 1, unit: km/h}}
    answer: "The average speed is {speed}."
  - name: term_en
    patterns: ["A contract is signed on {start} and runs for {days}. On which day does it end?"]
    slots:
      start: {type: date, from: 2021-01-01, to: 2029-12-31}
      days: {type: int, from: 10, to: 400, unit: days}
    compute: {end: {value: start + days, type: date}}
    answer: "It ends on {end}."
"""


@pytest.fixture
def grammar(tmp_path):
    path = tmp_path / "grammar.yaml"
    path.write_text(GRAMMAR, "utf-8")
    return path


def half_up(value, digits):
    """Round exactly, a half up; written without zeros at the end."""
    scaled = (value * 10**digits * 2 + 1) // 2
    whole, part = divmod(int(scaled), 10**digits)
    return f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".") if digits else str(whole)


def oracle(row):
    """Work out the answer from the text of the question alone, in another way than the grammar does."""
    text, name = question(row), row["source"].partition("#")[2]
    if name == "interest_zh":
        cents = Fraction(re.search(r"([\d.]+)元", text.replace("款项", ""))[1])
        rate = Fraction(re.search(r"([\d.]+)%", text)[1]) / 100
        years = int(re.search(r"(\d+)年", text.replace("年利率", ""))[1])
        return f"到期利息为{half_up(sum([cents * rate] * years), 2)}元。"
    if name == "price_zh":
        old, new = map(Fraction, re.findall(r"([\d.]+)元", text))
        assert ("上涨" in text) == (new > old)
        return f"{'上涨' if new > old else '下降'}了{half_up(max(old, new) - min(old, new), 2)}元。"
    if name == "distance_en":
        way, hours = (
            Fraction(re.search(r"([\d.]+) km\b(?!/)", text)[1]),
            Fraction(re.search(r"([\d.]+) hours?", text)[1]),
        )
        return f"The average speed is {half_up(way / hours, 1)} km/h."
    day, month, year, days = re.search(r"on (\d+) (\w+) (\d{4}) and runs for (\d+) days", text).groups()
    start = datetime.datetime.strptime(f"{day} {month} {year}", "%d %B %Y").date()
    end = start + datetime.timedelta(days=int(days))
    return f"It ends on {end.day} {end:%B} {end.year}."


HAN = dict(zip("0123456789", "〇一二三四五六七八九", strict=True))


def paraphrase(text, lang, dice):
    """Reword a question soundly, or break one of its values; returns (wording, whether it is sound)."""
    sound = f"请问：{text}" if lang == "zh" else f"Please work this out. {text}"
    spans = [m.span() for m in re.finditer(r"\d+(?:\.\d+)?", text)]
    start, end = dice.choice(spans)
    number = text[start:end]
    shift = len(sound) - len(text)
    way = dice.randrange(8)
    if way == 0:  # another value
        return sound[: start + shift] + str(int(float(number)) + 7) + sound[end + shift :], False
    if way == 1:  # a value lost
        return sound[: start + shift] + sound[end + shift :], False
    if way == 2:  # a value added
        return sound + ("（手续费 77 元不计）" if lang == "zh" else " Ignore the fee of 77 dollars."), False
    if way == 3 and lang == "zh" and number.isdigit() and int(number) >= 10000 and text[end] == "元":
        return sound[: start + shift] + f"{int(number) / 10000:g}万" + sound[end + shift :], True
    if way == 4 and lang == "zh" and len(number) == 1 and text[end] == "年":
        return sound[: start + shift] + HAN[number] + sound[end + shift :], True
    return sound, True


class Paraphraser:
    """A desk whose model rewords as the dice say, and remembers which wordings were broken."""

    def __init__(self):
        self.broken = {}

    def prompt(self, name, **values):
        return values["question"]

    async def ask(self, prompt, *, to, schema, sampling):
        assert schema is Wordings
        lang = "en" if prompt.isascii() else "zh"
        wording, sound = paraphrase(prompt, lang, Random(f"{prompt}/{sampling.temperature}"))
        self.broken[wording] = not sound
        return [SimpleNamespace(data=Wordings(wordings=[wording]))]


def test_of_a_thousand_instances_no_kept_wording_loses_a_value_and_every_answer_is_right(grammar):
    rows = list(Templates(file=grammar, count=250).rows())
    assert len(rows) == 1000 and Counter(row["lang"] for row in rows) == {"zh": 500, "en": 500}
    assert len({question(row) for row in rows}) == 1000, "no combination comes twice"
    desk, step = Paraphraser(), Reword(attempts=1)
    kept, reasons = [], Counter()
    for row in rows:
        assert answer(row) == oracle(row)
        try:
            kept.append((row, asyncio.run(step.row(row, desk))))
        except Drop as drop:
            reasons[drop.reason] += 1
            assert desk.broken[drop.facts["wording"]], f"a sound wording was dropped: {drop.facts}"
    assert 500 < len(kept) < 750 and set(reasons) == {"slot_lost", "number_added"}
    for row, reworded in kept:
        assert not desk.broken[question(reworded)], question(reworded)
        assert question(reworded) != question(row)
        assert (answer(reworded), reworded["slots"]) == (answer(row), row["slots"])


def test_slots_say_what_was_filled_in(grammar):
    row = next(iter(Templates(file=grammar, count=1).rows()))
    slots = json.loads(row["slots"])
    assert list(slots) == ["bank", "sum", "rate", "years"]
    assert slots["rate"]["type"] == "percent" and slots["rate"]["text"].endswith("%")
    assert all(item["text"] in question(row) for item in slots.values())
    assert (row["topic"], row["method"], row["source"]) == ("利息", "templates", "grammar.yaml#interest_zh")


def test_the_same_seed_gives_the_same_rows_and_a_greater_count_only_adds(grammar):
    few, many = list(Templates(file=grammar, count=5).rows()), list(Templates(file=grammar, count=9).rows())
    assert few == list(Templates(file=grammar, count=5).rows())
    names = {row["source"] for row in few}
    for name in names:
        assert [r for r in few if r["source"] == name] == [r for r in many if r["source"] == name][:5]
    assert [question(r) for r in few] != [question(r) for r in Templates(file=grammar, count=5, seed=1).rows()]


def test_a_template_with_too_few_combinations_says_so_before_and_in_the_run(tmp_path):
    path = write(tmp_path, slots="{a: {type: int, from: 1, to: 3}, b: {type: int, from: 1, to: 3}}", where="a < b")
    step = Templates(file=path, count=10)
    (problem,) = step.problems()
    assert "only 3 combinations" in problem and "lower count" in problem
    *made, lost = step.rows()
    assert len(made) == 3 and isinstance(lost, Dropped) and lost.reason == "no_more_combinations"


def write(folder, pattern='"How much is {a} plus {b}?"', slots="{a: {type: int, from: 1, to: 90}, b: {type: int, from: 1, to: 90}}", compute="{c: a + b}", answer='"{c}"', where="a > 0", more=""):  # fmt: skip
    path = folder / "one.yaml"
    path.write_text(
        f"templates:\n  - name: one\n    patterns: [{pattern}]\n    slots: {slots}\n    where: [{where}]\n"
        f"    compute: {compute}\n    answer: {answer}\n{more}",
        "utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pattern": '"How much is {a}?"'}, ["one.yaml:2", "lacks {b}"]),
        ({"pattern": '"{a} {b} {z}"'}, ["{z}", "there are: a, b, c"]),
        ({"pattern": '"{a} {b} {"'}, ["single '{'"]),
        ({"answer": '"{d}"'}, ["answer has {d}"]),
        ({"compute": "{c: a + z}"}, ["compute.c", "no slot or value 'z'"]),
        ({"compute": "{c: a.real}"}, ["a dot is not known here"]),
        ({"where": "open('x')"}, ["where", "this call is not known here"]),
        (
            {"slots": "{a: {type: int, from: 9, to: 1}, b: {type: int, from: 1, to: 2}}"},
            ["one.yaml:4", "slots.a", "swap them"],
        ),
        ({"slots": "{a: {type: int, from: 1}, b: {type: int, from: 1, to: 2}}"}, ["slots.a", "needs `from` and `to`"]),
        ({"slots": "{a: {type: decimal, from: 1, to: 2}, b: {type: int, from: 1, to: 2}}"}, ["needs a `step`"]),
        ({"slots": "{a: {type: whole, from: 1, to: 2}, b: {type: int, from: 1, to: 2}}"}, ["slots.a.type", "'int'"]),
        ({"slots": "{a: {type: choice}, b: {type: int, from: 1, to: 2}}"}, ["needs `of`"]),
        ({"slots": "{a: {type: term, of: [x, x]}, b: {type: int, from: 1, to: 2}}"}, ["twice"]),
        (
            {"slots": "{a: {type: date, from: 2024-02-31, to: 2024-03-01}, b: {type: int, from: 1, to: 2}}"},
            ["one.yaml:4", "day is out of range", "correct it"],
        ),
        (
            {"slots": "{a: {type: int, from: 1, to: 2, sep: 3}, b: {type: int, from: 1, to: 2}}"},
            ["slots.a.sep", "no such setting"],
        ),
        ({"slots": "{a: {type: decimal, from: 1, to: .inf, step: 1}, b: {type: int, from: 1, to: 2}}"}, ["too large"]),
        ({"slots": "[1, 2]"}, ["one.yaml:4", "slots"]),
        ({"more": "    colour: red\n"}, ["one.yaml:8", "colour", "no such setting"]),
        ({"more": "  - 3\n"}, ["one.yaml:8", "template number 2"]),
    ],
)
def test_a_fault_in_a_grammar_is_told_with_its_line_and_field(tmp_path, changes, told):
    with pytest.raises(RecipeError) as error:
        read_templates(write(tmp_path, **changes))
    assert all(part in str(error.value) for part in told), str(error.value)
    assert Templates(file=tmp_path / "one.yaml").problems() == [f"file: {p}" for p in error.value.problems]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compute": "{c: a / (b - b)}"}, "division by zero"),
        ({"compute": "{c: {value: a / 7, type: int}}"}, "is not whole"),
        ({"compute": "{c: {value: a > b}}"}, "a comparison is no value"),
        ({"compute": "{c: {value: a * 10 ** 60}}"}, "too many digits"),
        ({"compute": "{c: {value: -a, type: date}}"}, "no day of the calendar"),
    ],
)
def test_what_cannot_be_computed_is_told_with_the_values_before_the_run(tmp_path, changes, told):
    step = Templates(file=write(tmp_path, **changes), count=20)
    (problem,) = step.problems()
    assert told in problem and "with a = " in problem
    (lost,) = [item for item in step.rows() if isinstance(item, Dropped)]
    assert lost.reason == "not_computable"


BOMB = "templates:\n" + "".join(f"  - &l{n} [{', '.join([f'*l{n - 1}'] * 9) if n else 'x, x'}]\n" for n in range(12))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "needs one key"),
        (b"templates: []", "has 0 templates"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"templates: [", "correct it"),
        (b"templates:\n  - name: a\n    name: b\n", "correct it"),
        (b"[" * 5000, "write it more simply"),
        (BOMB.encode(), "unfolds to more than"),
        (b"templates: &a [*a]", "template number 1"),
        (b"!!python/object/apply:os.system [true]", "needs one key"),
        (b"#" * (1 << 21), "cut it into several files"),
    ],
)
def test_a_hostile_file_is_refused_at_once(tmp_path, content, told):
    path = tmp_path / "grammar.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=re.escape(told)):
        read_templates(path)


def test_a_grammar_that_is_not_there_is_told(tmp_path):
    (problem,) = Templates(file=tmp_path / "none.yaml").problems()
    assert "none.yaml" in problem and "check the path" in problem


ZH_SLOTS = {
    "sum": {"type": "money", "text": "15000元"},
    "rate": {"type": "percent", "text": "3.5%"},
    "years": {"type": "int", "text": "3年"},
    "bank": {"type": "term", "text": "东湖银行"},
}
ZH = "在东湖银行存入15000元，年利率3.5%，存期3年，利息是多少？"
RANGE_SLOTS = {"old": {"type": "percent", "text": "3%"}, "new": {"type": "percent", "text": "5%"}}
DAY = {"day": {"type": "date", "text": "5 March 2024"}}


@pytest.mark.parametrize(
    ("original", "wording", "slots", "reason"),
    [
        (ZH, "把1.5万元按百分之三点五存入东湖银行三年，能得多少利息？", ZH_SLOTS, None),
        (ZH, "东湖银行的年利率是 3.5 %。存 36 个月，本金 15,000 元，利息是多少？", ZH_SLOTS, None),
        (ZH, "在东湖银行存入1.6万元，年利率3.5%，存期3年，利息是多少？", ZH_SLOTS, "slot_lost"),
        (ZH, "在东湖银行存入15000美元，年利率3.5%，存期3年，利息是多少？", ZH_SLOTS, "slot_lost"),
        (ZH, "在东湖银行存入15000元，年利率3.5‰，存期3年，利息是多少？", ZH_SLOTS, "slot_lost"),
        (ZH, "在西湖银行存入15000元，年利率3.5%，存期3年，利息是多少？", ZH_SLOTS, "slot_lost"),
        (ZH, "在东湖银行存入15000元，年利率3.5%，存期3年，每年付息2次，利息是多少？", ZH_SLOTS, "number_added"),
        ("把税率从3%提高到5%。", "税率由3%升至5%。", RANGE_SLOTS, None),
        ("把税率从3%提高到5%。", "税率由5%升至3%。", RANGE_SLOTS, "slots_swapped"),
        ("把税率从3%提高到5%。", "税率提高到5%。", RANGE_SLOTS, "slot_lost"),
        ("It starts on 5 March 2024.", "2024-03-05 is the first day.", DAY, None),
        ("It starts on 5 March 2024.", "March 5, 2024 is the first day of which one?", DAY, None),
        ("It starts on 5 March 2024.", "It starts on 6 March 2024.", DAY, "slot_lost"),
        ("The bus goes.", "The omnibus goes.", {"v": {"type": "choice", "text": "bus"}}, "slot_lost"),
        ("Pay 2 bills of 2 kg.", "Pay a bill of 2 kg.", {"n": {"type": "int", "text": "2"}, "w": {"type": "int", "text": "2 kg"}}, "slot_lost"),
    ],
)  # fmt: skip
def test_a_value_may_be_written_otherwise_but_not_be_another(original, wording, slots, reason):
    fault = find_slot_fault(original, wording, slots)
    assert (fault.reason if fault else None) == reason


class Sayer:
    """A desk whose model says what it is told, one list of wordings after the other."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def prompt(self, name, **values):
        self.asked.append(values)
        return "prompt"

    async def ask(self, prompt, *, to, schema, sampling):
        return [SimpleNamespace(data=Wordings(wordings=self.replies.pop(0)))]


def sample(text=ZH, slots=ZH_SLOTS):
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "1575 元。"}]
    return {"id": "a" * 32, "lang": "zh", "messages": messages, "slots": json.dumps(slots)}


GOOD, OTHER, LOST = (
    "请问在东湖银行存15000元，利率3.5%，3年利息多少？",
    "存期3年，年利率3.5%，东湖银行，1.5万元，问利息。",
    "存15000元，利息多少？",
)


def test_the_good_ones_of_several_wordings_become_rows():
    made = asyncio.run(Reword(wordings=3).row(sample(), Sayer([GOOD, LOST, OTHER])))
    assert [question(row) for row in made] == [GOOD, OTHER]
    assert {answer(row) for row in made} == {"1575 元。"}


def test_it_asks_again_while_nothing_passes_and_then_drops_with_the_name():
    assert question(asyncio.run(Reword(attempts=2).row(sample(), Sayer([LOST], [GOOD])))) == GOOD
    with pytest.raises(Drop) as drop:
        asyncio.run(Reword(attempts=2).row(sample(), Sayer([LOST], [""])))
    assert drop.value.reason == "slot_lost" and drop.value.facts["slot"] == "rate"
    assert drop.value.facts["tried"] == 2


@pytest.mark.parametrize(("wordings", "reason"), [([], "no_wording"), ([ZH], "not_reworded"), (["Deposit 15000元, 3.5%, 3年 at 东湖银行, and tell me please how much interest there will be when the time of the deposit is over?"], "other_language")])  # fmt: skip
def test_a_reply_that_rewords_nothing_is_dropped(wordings, reason):
    with pytest.raises(Drop) as drop:
        asyncio.run(Reword(attempts=1).row(sample(), Sayer(wordings)))
    assert drop.value.reason == reason


def test_the_original_may_be_handed_on_too():
    made = asyncio.run(Reword(keep_original=True, attempts=1).row(sample(), Sayer([LOST])))
    assert [question(row) for row in made] == [ZH]


def test_without_slots_all_numbers_of_the_question_must_stay():
    row = sample("15 个工人 4 天完成，每天多少？", {})
    assert question(asyncio.run(Reword().row(row, Sayer(["若干工程由15个工人用四天做完，每天做多少？"]))))
    with pytest.raises(Drop):
        asyncio.run(Reword(attempts=1).row(row, Sayer(["15 个工人 5 天完成，每天多少？"])))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_templates_and_reword_run_from_a_recipe(tmp_path, grammar, lang):
    def reword(body):
        text = re.search(r"<task>\n(.*)\n</task>", body["messages"][-1]["content"])[1]
        return {"json": {"wordings": [("请算一算：" if lang == "zh" else "Tell me: ") + text]}}

    recipe = {
        "name": "hybrid", "lang": [lang, "zh" if lang == "en" else "en"],
        "models": {"teacher": {"scripted": "unused.yaml", "model": "t"}},
        "streams": {"tasks": {"steps": [{"templates": {"file": "grammar.yaml", "count": 4}}, "reword"]}},
    }  # fmt: skip
    (tmp_path / "unused.yaml").write_text("default: x")
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    manifest = run_recipe(
        load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", providers={"teacher": [ScriptedProvider(reword)]}
    )
    assert [counts["out"] for counts in manifest["counts"].values()][-1] == 16
    folder = sorted((tmp_path / "run" / "streams" / "tasks").iterdir())[-1]
    rows = [row for path in shard_files(folder) for row in read_rows(path)]
    assert all(question(row).startswith(("请算一算", "Tell me")) for row in rows)
