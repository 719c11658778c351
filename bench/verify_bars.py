"""How reliably right results and right code are told from wrong ones, without a model.



`math_verify`: 2,400 labelled solutions of GSM8K problems, and the same results in Chinese sentences, written in seven
ways. `code_verify`: 500 functions with unit tests whose outcome is recorded, code that tries to pass without solving
anything or to get out of the sandbox, and the checks a second on two cores.
"""

import json
import queue
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from common import REPOSITORY, CannotMeasure, Result
from sftmill.sandbox import Limits, Sandbox, SandboxUnavailable
from sftmill.steps.respond.verify.verify_math import verify_math

DATA = REPOSITORY.parent / "shared" / "data" / "judge"
LEAST_ACCURACY = 0.995
LEAST_CHINESE = 0.98
LEAST_RATE = 12
CORES = 2
_FINAL = re.compile(r"\nA: (-?[\d,]*\.?\d+)\s*\Z")
_DIGITS = "零一二三四五六七八九"


def _lines(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        raise CannotMeasure(f"there is no {path}: put the shared data beside the repository")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def chinese(value: Decimal) -> str:
    """Write a number as it is read in Chinese: 一百零五, 一万二千, 三点五."""
    sign, value = ("负" if value < 0 else ""), abs(value)
    whole, _, fraction = f"{value:f}".partition(".")
    text = _sections(int(whole)) + ("点" + "".join(_DIGITS[int(d)] for d in fraction) if fraction.strip("0") else "")
    return sign + text


def _sections(number: int) -> str:
    for power, name in ((10**8, "亿"), (10**4, "万")):
        if number >= power:
            top, rest = divmod(number, power)
            zero = "零" if rest and rest < power // 10 else ""
            return _sections(top) + name + (zero + _below(rest) if rest else "")
    if number < 10:
        return _DIGITS[number]
    power = 10 ** (len(str(number)) - 1)
    top, rest = divmod(number, power)
    name = {10: "十", 100: "百", 1000: "千"}[power]
    zero = "零" if rest and rest < power // 10 else ""
    head = "" if number < 20 else _DIGITS[top]
    return head + name + (zero + _below(rest) if rest else "")


def _below(number: int) -> str:
    return ("一" if 10 <= number < 20 else "") + _sections(number)


def _ten_thousands(value: Decimal) -> str | None:
    """Write 15000 as 1.5万, where three decimals are enough."""
    short = value / 10_000
    return f"{short.normalize():f}万" if value and short == round(short, 3) else None


RENDERINGS: dict[str, Callable[[Decimal], str | None]] = {
    "digits in a sentence": lambda v: f"先算出各部分，再相加，所以答案是 {v:f}。",
    "money with commas": lambda v: f"合起来计算，一共需要 {v:,f} 元。",
    "numerals": lambda v: f"由上可知，答案是{chinese(v)}。",
    "numerals with a measure word": lambda v: f"答：一共有{chinese(v)}个。",
    "ten thousands": lambda v: f"因此最终答案为：{short}元。" if (short := _ten_thousands(v)) else None,
    "boxed": lambda v: rf"综上，结果为 $\boxed{{{v:f}}}$，验算无误。",
    "full width": lambda v: f"答案：{v:f}".translate(str.maketrans("0123456789.-", "０１２３４５６７８９．－")),
}


def math_verify(quick: bool) -> list[Result]:
    """Return the accuracy on the labelled candidates, and on their results in Chinese."""
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    shown = 0
    for item in _lines("gsm8k_bon.jsonl"):
        for candidate in item["candidates"]:
            if candidate["correct"] is None:
                continue
            texts = {"as it is": candidate["text"]}
            if final := _FINAL.search("\n" + candidate["text"]):
                value = Decimal(final[1].replace(",", ""))
                texts |= {name: text for name, write in RENDERINGS.items() if (text := write(value))}
            for name, text in texts.items():
                verdict = verify_math(item["gold_answer"], text)
                asked[name] += 1
                right[name] += verdict.ok == candidate["correct"]
                if verdict.ok != candidate["correct"] and shown < 20:
                    shown += 1
                    print(f"  {name}: {item['gold_answer']!r}, {text[-60:]!r}: {verdict}, is {candidate['correct']}")
    for name, count in asked.items():
        print(f"  {name:30} {count:6}  right {right[name] / count:7.2%}")
    rendered = [name for name in asked if name != "as it is"]
    own = sum(right[name] for name in rendered) / sum(asked[name] for name in rendered)
    worst = min(rendered, key=lambda name: right[name] / asked[name])
    note = f"{sum(asked[name] for name in rendered)} texts; worst: {worst} {right[worst] / asked[worst]:.4f}"
    return [
        Result("math_verify", right["as it is"] / asked["as it is"], LEAST_ACCURACY, at_least=True, note="GSM8K"),
        Result("math_verify_chinese", own, LEAST_CHINESE, at_least=True, note=note),
    ]


def code_verify(quick: bool) -> list[Result]:
    """Return the agreement with recorded outcomes, the escapes that got through, and the checks a second."""
    candidates = _lines("code_candidates.jsonl")
    free: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
    sandboxes = [Sandbox() for _ in range(CORES)]
    try:
        for sandbox in sandboxes:
            sandbox.start()
            free.put(sandbox)
        print(f"closed in by {', '.join(sandboxes[0].layers)}")

        def passes(candidate: dict[str, Any]) -> bool | None:
            sandbox = free.get()
            try:
                outcome = sandbox.check(candidate["solution"], candidate["test"], candidate["entry_point"])
            finally:
                free.put(sandbox)
            if outcome.ok != candidate["passed"]:
                print(f"  {candidate['task_id']}: {outcome}, recorded {candidate['passed']}")
            return outcome.ok

        begin = time.perf_counter()
        with ThreadPoolExecutor(CORES) as pool:
            outcomes = list(pool.map(passes, candidates))
        rate = len(candidates) / (time.perf_counter() - begin)
        same = sum(o == c["passed"] for o, c in zip(outcomes, candidates, strict=True)) / len(candidates)
        through = _escapes(sandboxes[0])
    except SandboxUnavailable as error:
        raise CannotMeasure(str(error)) from error
    finally:
        for sandbox in sandboxes:
            sandbox.close()
    return [
        Result("code_verify", same, 1.0, at_least=True, note=f"{len(candidates)} candidates"),
        Result("code_escapes", len(through), 0, note=", ".join(through) or f"all of {_attempts()} failed"),
        Result("code_rate", rate, LEAST_RATE, at_least=True, unit="/s", note=f"{CORES} at a time"),
    ]


def _attempts() -> int:
    from escapes import ESCAPES

    return len(ESCAPES)


def _escapes(sandbox: Sandbox) -> list[str]:
    """Return the names of the escapes that were not refused."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "sandbox"))
    from escapes import ESCAPES, HONEST, TESTS

    limits = Limits(seconds=1, patience=4.0)
    if sandbox.check(HONEST, TESTS, limits=limits).ok is not True:
        raise CannotMeasure("the code that is right does not pass, so that the others prove nothing")
    return [name for name, code in ESCAPES.items() if sandbox.check(code, TESTS, limits=limits).ok is not False]
