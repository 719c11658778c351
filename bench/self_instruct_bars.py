"""The bars about Self-Instruct: what the small embedded model grows out of forty seeds, and a kill in mid-round."""

import gzip
import hashlib
import json
import math
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from pathlib import Path
from typing import Any

from common import REPOSITORY, CannotMeasure, Result, say

DATA = REPOSITORY.parent / "shared" / "data"
SEEDS = DATA / "seeds" / "domain_seeds_zh.jsonl"
DATABASE = DATA / "sft_db" / "sft_db.jsonl.gz"
MODEL = "qwen2.5-coder-0.5b-instruct"
TARGET = {True: 30, False: 200}
"""Instructions wanted, quick or not: the model writes a sound one in about three seconds on two cores."""

TERMS = """
市盈率 市净率 净资产收益率 资产负债率 流动比率 速动比率 毛利率 净利率 现金流量表 利润表 资产负债表 应收账款 存货周转 固定资产折旧
营业收入 每股收益 股息率 股票回购 配股 增发 首次公开募股 涨跌停板 停牌 融资融券 做空 大盘指数 指数基金 主动型基金 基金定投 基金净值
最大回撤 夏普比率 债券久期 到期收益率 信用利差 国债 地方政府债券 企业债 可转债 国债逆回购 票据贴现 银行承兑汇票 信用证 对冲 期权 期货保证金
远期合约 利率互换 汇率风险 外汇储备 人民币中间价 存款准备金率 公开市场操作 贷款市场报价利率 通货膨胀 居民消费价格指数 国内生产总值 财政赤字
不良贷款率 拨备覆盖率 资本充足率 信用评级 授信额度 抵押贷款 质押 担保 等额本息 等额本金 信用卡分期 最低还款额 个人征信 供应链金融
反洗钱 理财产品 大额存单 结构性存款 定期存款 寿险 重疾险 车险 年金保险 再保险 偿付能力 理赔 资产证券化 信托 私募股权 风险投资 企业并购
企业估值 现金流折现 资本成本 财务杠杆 盈亏平衡点 增值税 个人所得税 专项附加扣除 企业所得税 养老金 公积金 黄金投资 融资租赁 股权激励
净现值 内部收益率 投资组合 分散投资 系统性风险 尽职调查 审计报告 关联交易 内部控制 财务报表
"""

SETTINGS: dict[str, Any] = {
    "role": "你是金融机构的培训师，为中文金融助手编写训练任务。",
    "domain": "金融，包括投资、银行、保险、公司财务、税务和宏观经济",
    "longest_shown": 60,
    "items": 6,
    "requests": 6,
    "max_tokens": 400,
    "stand_alone": True,
    "least_yield": 0.0,
}


def self_instruct_live(quick: bool) -> list[Result]:
    """Grow a pool of Chinese financial instructions with the embedded model, and judge it from outside."""
    from sftmill.core import question
    from sftmill.errors import SftmillError
    from sftmill.flow.shards import read_rows, shard_files
    from sftmill.models.model_files import find
    from sftmill.recipe_reader import load_recipe
    from sftmill.run import run_recipe

    for file in (SEEDS, DATABASE):
        if not file.is_file():
            raise CannotMeasure(f"{file} is not there; the bar needs its seeds and its classifier's examples")
    if find(MODEL) is None:
        raise CannotMeasure(f"the embedded model is not here; run `sftmill model fetch {MODEL} --accept-carrier`")
    target = TARGET[quick]
    judge, accuracy = train_judge(DATABASE)
    say(f"self_instruct_live: {target} instructions from 40 seeds; the judge of the domain is right on {accuracy:.1%}")
    with tempfile.TemporaryDirectory(prefix="sftmill-grow-") as folder:
        home = Path(folder)
        lines = [line for line in SEEDS.read_text("utf-8").splitlines() if json.loads(line)["domain"] == "finance"]
        (home / "seeds.jsonl").write_text("\n".join(lines), "utf-8")
        (home / "terms.txt").write_text("\n".join(str.split(TERMS)), "utf-8")
        settings = {"target": target, "rounds": 8 if quick else 40, "glossary": "terms.txt", **SETTINGS}
        recipe = {
            "name": "grow",
            "lang": "zh",
            "models": {"teacher": {"local": MODEL}},
            "streams": {
                "tasks": [
                    {"samples": {"file": "seeds.jsonl", "sensitivity": "public"}},
                    {"self_instruct": settings},
                ]
            },
        }
        (home / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False), "utf-8")
        begin = time.monotonic()
        try:
            manifest = run_recipe(load_recipe(home / "recipe.yaml"), home / "run")
        except SftmillError as error:
            raise CannotMeasure(str(error)) from error
        seconds = time.monotonic() - begin
        stage = next((home / "run" / "streams" / "tasks").glob("*-self_instruct"))
        texts = [question(row) for path in shard_files(stage) for row in read_rows(path)]
    if kept := os.environ.get("SFTMILL_BENCH_KEEP"):
        Path(kept).write_text("\n".join(texts), "utf-8")
    counts = next(value for key, value in manifest["counts"].items() if key.endswith("self_instruct"))
    nearest = max((overlap(a, b) for a, b in combinations(texts, 2)), default=0.0)
    formed = [text for text in texts if well_formed(text)]
    finance = [text for text in texts if judge.is_finance(text)]
    size = max(1, len(texts))
    candidates = sum(one["candidates"] for one in counts["rounds"])
    rounds = ", ".join(f"{one['admitted']}/{one['candidates']}" for one in counts["rounds"])
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts["dropped"].items(), key=lambda p: -p[1]))
    note = (
        f"{len(texts)} of {candidates} tasks in {len(counts['rounds'])} rounds ({rounds}), {seconds:.0f} s, "
        f"{counts['tokens'] // size:,} tokens an instruction; out: {reasons}"
    )
    for text in texts[:8]:
        print(f"    {text}")
    return [
        Result("self_instruct_live", len(texts), target, at_least=True, note=note),
        Result("self_instruct_rouge", nearest, 0.7, note=f"the nearest of {size * (size - 1) // 2:,} pairs"),
        Result("self_instruct_well_formed", len(formed) / size, 0.9, at_least=True, note=first(texts, formed)),
        Result(
            "self_instruct_on_domain", len(finance) / size, 0.8, at_least=True,
            note=f"a judge that is right on {accuracy:.1%} of {judge.tested:,} unseen tasks; {first(texts, finance)}",
        ),
    ]  # fmt: skip


def first(texts: Sequence[str], good: Sequence[str]) -> str:
    """Return the first two texts that are not good, for the note."""
    bad = [text[:40] for text in texts if text not in set(good)][:2]
    return f"not: {' / '.join(bad)}" if bad else "all of them"


# --- judged from outside: nothing of the product's own rules is used ---------------------------------


def pieces(text: str) -> list[str]:
    """Return a text's characters, and its runs of Latin letters and digits, in order."""
    return re.findall(r"[a-z0-9]+|[\u3400-\u9fff]", text.lower())


def overlap(a: str, b: str) -> float:
    """Return ROUGE-L (F) of two texts by a plain table of the longest common subsequence."""
    one, two = pieces(a), pieces(b)
    before = [0] * (len(two) + 1)
    for x in one:
        row = [0]
        for i, y in enumerate(two):
            row.append(before[i] + 1 if x == y else max(before[i + 1], row[i]))
        before = row
    return 2 * before[-1] / (len(one) + len(two)) if one or two else 1.0


_ASKS = re.compile(
    r"[？?]|多少|如何|怎样|怎么|为什么|请"
    r"|(?:^|[，。；：,;:])(?:计算|解释|说明|比较|分析|描述|列出|列举|写|判断|评估|评价|介绍|概括|概述|总结|归纳|讨论|设计|制定|给出|提供|提出|创建|改写|翻译|"
    r"区分|举例|阐述|预测|推荐|指出|估算|找出|识别|简述|起草|撰写)"
    r"|^(?:给|为|用|把|将|根据|针对).{2,60}(?:计算|写|说明|解释|分析|列|设计|制定|提|改|翻译|介绍|总结)"
)
_SPOILT = re.compile(
    r"```|<\|?|https?:|[{}\\]|\?{3,}|�|^\W|任务\s?\d|第\s?\d+\s?个任务|【|】|答案\s?[：:]|作为.{0,6}(?:AI|语言模型)|(.{2,8})\1{3,}|[,，、：:；;]$"
)


def well_formed(text: str) -> bool:
    """Tell whether a text is a Chinese request or question of ordinary length, ended, and free of traces of a prompt."""
    chinese = len(re.findall(r"[\u3400-\u9fff]", text))
    latin = len(re.findall(r"[A-Za-z]", text))
    ordinary = 8 <= len(text) <= 300 and chinese >= 6 and chinese >= latin
    return ordinary and _ASKS.search(text) is not None and _SPOILT.search(text) is None


class Judge:
    """A naive Bayes of character bigrams: finance against everything else."""

    def __init__(self, examples: Iterable[tuple[str, bool]]):
        self.counts = {True: Counter(), False: Counter()}
        for text, label in examples:
            self.counts[label].update(self.bigrams(text))
        self.size = len(self.counts[True].keys() | self.counts[False].keys())
        self.totals = {label: counts.total() for label, counts in self.counts.items()}
        self.threshold = 0.0
        self.tested = 0

    @staticmethod
    def bigrams(text: str) -> set[str]:
        """Return the pairs of neighbouring letters and ideographs of a text, each once."""
        plain = re.sub(r"[^a-z\u3400-\u9fff]+", " ", text.lower())
        return {plain[i : i + 2] for i in range(len(plain) - 1) if " " not in plain[i : i + 2]}

    def evidence(self, text: str) -> float:
        """Return the mean logarithm of the odds for finance, over the bigrams of a text."""
        total = 0.0
        found = self.bigrams(text)
        for pair in found:
            yes = (self.counts[True][pair] + 0.5) / (self.totals[True] + 0.5 * self.size)
            no = (self.counts[False][pair] + 0.5) / (self.totals[False] + 0.5 * self.size)
            total += math.log(yes / no)
        return total / len(found) if found else 0.0

    def is_finance(self, text: str) -> bool:
        """Tell whether a text is more like finance than like the rest."""
        return self.evidence(text) > self.threshold


def train_judge(path: Path) -> tuple[Judge, float]:
    """Return a judge and the mean of its accuracies on finance and on the rest, on tasks it has not seen.

    Chinese tasks of at most 120 characters; "general" rows with words of finance are left out, because nobody knows
    what they are. One task in five, by its hash, is only for the test.
    """
    texts: dict[bool, list[str]] = {True: [], False: []}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            unsure = "finance" in (row.get("maybe") or []) and row["domain"] != "finance"
            if row["lang"] == "zh" and not unsure and 6 <= len(row["instruction"]) <= 120:
                texts[row["domain"] == "finance"].append(row["instruction"])
    learnt: list[tuple[str, bool]] = []
    unseen: list[tuple[str, bool]] = []
    for label, found in texts.items():
        # the same wording, such as the heading of an exam, counts once
        for text in sorted(set(found), key=lambda t: hashlib.md5(t.encode()).digest())[:6000]:
            (unseen if hashlib.md5(text.encode()).digest()[0] % 5 == 0 else learnt).append((text, label))
    judge = Judge(learnt)
    judge.tested = len(unseen)
    right = {label: [judge.is_finance(text) is label for text, true in unseen if true is label] for label in texts}
    return judge, sum(sum(found) / len(found) for found in right.values()) / 2


# --- killed in mid-round ----------------------------------------------------------------------------

LETTERS = "黄金国债汇率养老车险房贷票据期货税费信托外储应收账款怎样购买出租转让评估核算抵押担保赎回分红结算清偿"
SUBJECTS = ("黄金", "国债", "汇率", "车险", "房贷", "票据", "期货", "税费", "信托", "外汇", "账款", "股票")


class Endpoint:
    """A small chat endpoint that writes lists of tasks, the same for the same request, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.hold_from: int | None = None
        """Number of requests that are answered before all others are kept waiting."""
        self.reached = threading.Event()
        self.gone = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self) -> "Endpoint":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                """Answer a chat."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with suppress(OSError):
                    self.send(outer.answer(json.loads(body)))

            def do_GET(self) -> None:
                """List the model."""
                self.send({"object": "list", "data": [{"id": "lists"}]})

            def send(self, payload: dict) -> None:
                data = json.dumps(payload).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, body: dict) -> dict:
        """Return the reply to a chat; what comes past `hold_from` is only let go when the endpoint ends."""
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self.lock:
            held = self.hold_from is not None and self.asked.total() >= self.hold_from
            if not held:
                self.asked[key] += 1
        if held:
            self.reached.set()
            self.gone.wait(60)
            return {}
        dice = random.Random(key)
        lines = [f"说明{''.join(dice.sample(LETTERS, 12))}与{dice.choice(SUBJECTS)}的关系" for _ in range(7)]
        text = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 9))
        message = {"role": "assistant", "content": text}
        return {
            "id": key[:8],
            "object": "chat.completion",
            "model": "lists",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 300, "completion_tokens": 100, "total_tokens": 400},
        }


def self_instruct_resume(quick: bool) -> list[Result]:
    """Kill a run with signal 9 in the middle of a round, give the command again, and compare with one left alone."""
    from processes import Program, sftmill
    from sftmill.flow.shards import read_rows, shard_files

    kills = 2 if quick else 6
    rounds, requests = 6, 6
    chance = random.Random(11)
    moments = sorted(chance.sample([n for n in range(2, rounds * requests - 1) if n % requests], kills))
    say(f"self_instruct_resume: {rounds} rounds of {requests} requests, killed behind answers {moments}")
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sftmill-kill-") as folder:
        pools: dict[str, list[bytes]] = {}
        rows: dict[str, list[dict]] = {}
        calls: dict[str, Counter[str]] = {}
        for name in ("alone", "killed"):
            home = Path(folder) / name
            home.mkdir()
            asked: Counter[str] = Counter()
            for moment in [*(moments if name == "killed" else []), None]:
                with Endpoint() as endpoint:
                    endpoint.asked = asked
                    endpoint.hold_from = moment
                    write_job(home, endpoint.url, rounds, requests)
                    program = Program([*sftmill(), "run", "recipe.yaml", "--run-dir", "run"], home, every=10)
                    if moment is not None:
                        while not endpoint.reached.wait(0.05):
                            if not program.running():
                                break
                        wait_until_durable(home / "ledger.sqlite", moment)
                        with suppress(ProcessLookupError):
                            program.kill()
                    usage = program.wait(120)
                if moment is None and usage.status:
                    broken.append(f"{name}: ended with status {usage.status}: {usage.errors[-300:]}")
                elif moment is not None and usage.status >= 0:
                    broken.append(
                        f"{name}: had ended with status {usage.status} before the kill: {usage.errors[-300:]}"
                    )
            stage = next((home / "run" / "streams" / "tasks").glob("*-self_instruct"), None)
            pools[name] = [path.read_bytes() for path in sorted(stage.glob("*.parquet"))] if stage else []
            rows[name] = [row for path in shard_files(stage) for row in read_rows(path)] if stage else []
            calls[name] = asked
    twice = sum(calls["killed"].values()) - len(calls["killed"])
    if not pools["alone"] or pools["alone"] != pools["killed"]:
        broken.append(f"the pools differ in their {'bytes alone' if rows['alone'] == rows['killed'] else 'rows'}")
    if calls["alone"].keys() != calls["killed"].keys():
        broken.append("other calls were made than in the run that was left alone")
    note = (
        f"{len(moments)} kills in mid-round, {len(calls['killed'])} calls, {twice} of them answered twice; the pool's "
        f"{sum(map(len, pools['alone'])):,} bytes are {'the same' if not broken else 'NOT the same'}"
    )
    return [Result("self_instruct_resume", twice, 0, broken="; ".join(broken), note=note)]


def write_job(home: Path, url: str, rounds: int, requests: int) -> None:
    """Write seeds and a recipe that asks this endpoint."""
    seeds = [f"说明{subject}的三个特点，并各举一个例子" for subject in SUBJECTS]
    (home / "seeds.jsonl").write_text(
        "\n".join(json.dumps({"instruction": text, "instances": [{"input": "", "output": "好"}]}) for text in seeds)
    )
    grow = {"target": 5000, "rounds": rounds, "requests": requests, "least_yield": 0}
    recipe = {
        "name": "kill",
        "lang": "zh",
        "models": {"teacher": {"endpoint": url, "model": "lists", "revision": "1"}},
        "streams": {"tasks": [{"samples": {"file": "seeds.jsonl"}}, {"self_instruct": grow}]},
    }
    (home / "recipe.yaml").write_text(json.dumps(recipe))


def wait_until_durable(ledger: Path, answers: int) -> None:
    """Wait until the answers that were given are in the ledger, at most ten seconds: those in flight may be lost."""
    import sqlite3

    end = time.monotonic() + 10
    while time.monotonic() < end:
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
            try:
                if connection.execute("SELECT count(*) FROM entries").fetchone()[0] >= answers:
                    return
            finally:
                connection.close()
        time.sleep(0.02)


if __name__ == "__main__":
    from common import attempt, finish, parser

    BARS = {bar.__name__: bar for bar in (self_instruct_live, self_instruct_resume)}
    given = parser(__doc__.splitlines()[0], list(BARS), mock=False).parse_args()
    sys.exit(finish([r for name, bar in BARS.items() if not given.only or name in given.only
                     for r in attempt(name, bar, not given.full)]))  # fmt: skip
