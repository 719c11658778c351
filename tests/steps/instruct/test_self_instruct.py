"""Self-Instruct as a step: what each request shows, what is taken in, when it ends, and that a rerun does the same."""

import json
import random
import re
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.core import Pool, question, turns
from sftmill.errors import RecipeError
from sftmill.flow.losses import read_losses
from sftmill.flow.shards import read_rows, shard_files
from sftmill.models.prompt import Prompts
from sftmill.models.scripted import ScriptedProvider
from sftmill.recipe_reader import load_recipe
from sftmill.run import run_recipe
from sftmill.steps.instruct.glossary import meanings, read_glossary
from sftmill.steps.instruct.novelty.novelty import NoveltyIndex
from sftmill.steps.instruct.required_form import has_form, says_form
from sftmill.steps.instruct.self_instruct.bootstrap import choose, choose_terms, seed_terms
from sftmill.steps.instruct.self_instruct.self_instruct import SelfInstruct
from sftmill.text import rouge_l

SEEDS = [
    "解释复利和单利的区别",
    "一笔五万元的存款年利率为百分之二，三年后一共是多少？",
    "列出开立证券账户需要的材料",
    "为什么央行加息以后债券价格会下跌？",
    "给一位刚工作的年轻人写三条理财建议",
    "判断下面的说法对不对：保险合同从签字起生效",
    "把这句话改写得通俗一些：本产品不保证本金",
    "比较指数基金与主动基金的费用",
    "用一句话介绍什么是存款准备金",
    "信用卡只还最低还款额有什么后果？",
    "为一家面馆估算每月要卖多少碗才不亏",
    "说明增值税与营业税在计税方式上的不同",
]


def seed_rows(texts=SEEDS, lang="zh", **more):
    return [
        {"id": f"s{n}", "lang": lang, "messages": [{"role": "user", "content": text}], **more}
        for n, text in enumerate(texts)
    ]


def start(texts=SEEDS, **settings):
    step = SelfInstruct(**settings)
    return step, step.start(seed_rows(texts))


def candidate(name, text, number=1, **more):
    return {
        "id": name,
        "lang": "zh",
        "round": number,
        "messages": [{"role": "user", "content": text}],
        "shown": [],
        **more,
    }


def shown(draft):
    return [m["content"] for m in turns(draft) if m["role"] == "user"]


# --- what is shown ---------------------------------------------------------------------------------


def test_the_first_round_shows_eight_human_tasks_and_later_ones_six_and_two_of_the_model():
    step, pool = start()
    first = list(step.draft(pool, 0))
    assert len(first) == 5
    for draft in first:
        assert len(shown(draft)) == 8
        assert len(set(draft["parents"])) == 8
        assert set(draft["parents"]) <= {f"s{n}" for n in range(12)}
    made = [
        candidate(f"m{n}", text)
        for n, text in enumerate(["介绍黄金投资的三种方式", "计算一套房子的月供", "说明汇率变动对出口的影响"])
    ]
    pool = step.admit(pool, made)
    for draft in step.draft(pool, 1):
        kinds = Counter(name[0] for name in draft["parents"])
        assert kinds == {"s": 6, "m": 2}


def test_tasks_are_shuffled_and_every_request_shows_others():
    step, pool = start()
    drafts = list(step.draft(pool, 0))
    assert len({tuple(draft["parents"]) for draft in drafts}) == 5
    assert any(draft["parents"] != sorted(draft["parents"]) for draft in drafts)


def test_the_same_pool_gives_the_same_drafts_and_another_seed_others():
    step, pool = start()
    assert list(step.draft(pool, 0)) == list(step.draft(pool, 0))
    other, fresh = start(seed=1)
    assert list(other.draft(fresh, 0)) != list(step.draft(pool, 0))


@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 5), st.booleans())
def test_no_seed_is_shown_more_than_twice_as_often_as_the_mean(seeds, requests, made, typed):
    used = Counter()
    types = [f"t{n % 4}" if typed else None for n in range(seeds)]
    for place in range(requests):
        choice = choose(types, used, (0, 0, place), made, same_type=5 if typed else 0)
        assert len(set(choice.humans)) == min(8 - min(2, made), seeds) == len(choice.humans)
        assert len(choice.machines) == min(2, made)
    if seeds >= 8:
        assert max(used.values()) <= max(1.0, 2 * used.total() / seeds)


def test_a_close_reach_shows_tasks_of_one_type():
    types = [f"t{n % 3}" for n in range(30)]
    choice = choose(types, Counter(), (0, 0, 0), 0, same_type=5)
    assert Counter(types[i] for i in choice.humans).most_common(1)[0][1] >= 5


def test_few_seeds_are_all_shown():
    step, pool = start(SEEDS[:5])
    assert all(len(set(shown(draft))) == 5 for draft in step.draft(pool, 0))


def test_long_seeds_and_those_of_the_other_language_are_not_shown():
    texts = [*SEEDS[:4], "阅读材料并回答问题：" + "公司收入继续增长。" * 40]
    step = SelfInstruct()
    pool = step.start([*seed_rows(texts), *seed_rows(["Explain what a bond is."], "en", id="e")])
    assert {text for draft in step.draft(pool, 0) for text in shown(draft)} == set(SEEDS[:4])
    assert len(pool) == 6


def test_without_a_seed_to_show_the_error_says_what_to_do():
    with pytest.raises(RecipeError, match="lang"):
        SelfInstruct(lang="en").start(seed_rows())
    with pytest.raises(RecipeError, match="classifications"):
        SelfInstruct(only_classification=True).start(seed_rows())
    with pytest.raises(RecipeError, match="of 0 rows"):
        SelfInstruct().start([])


def test_the_input_of_a_seed_is_not_shown():
    row = {
        "id": "s",
        "lang": "zh",
        "instruction": "翻译下面的句子：",
        "messages": [{"role": "user", "content": "翻译下面的句子：\n\nHi"}],
    }
    step = SelfInstruct()
    assert shown(next(step.draft(step.start([row]), 0))) == ["翻译下面的句子"]


# --- what is taken in ------------------------------------------------------------------------------


def test_a_similarity_of_exactly_the_threshold_is_let_in_and_above_it_is_not():
    # 14 of 20 characters in the same order: 2 * 14 / (20 + 20) = 0.7
    seed = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉"
    equal = seed[:14] + "天地玄黄宇宙"
    above = seed[:15] + "天地玄黄宇"
    assert rouge_l(seed, equal) == 0.7
    for text, out in ((equal, None), (above, "similar_wording")):
        step, pool = start([seed])
        grown = step.admit(pool, [candidate("m", text)])
        assert [item.reason for item in grown.dropped] == ([out] if out else [])
    assert grown.dropped[0].facts == {"neighbour": "s0", "similarity": 0.75}


def test_what_is_taken_in_counts_at_once_for_the_next_candidate():
    step, pool = start()
    pool = step.admit(pool, [candidate("a", "介绍三种黄金投资的方式"), candidate("b", "介绍四种黄金投资的方式")])
    assert [row["id"] for row in pool][12:] == ["a"]
    assert pool.dropped[0].facts["neighbour"] == "a"


def test_meanings_are_compared_where_there_are_vectors_and_seeds_get_theirs():
    step, pool = start(SEEDS[:3], to_embedder="embedder", requests=2)
    drafts = list(step.draft(pool, 0))
    wanted = [m["content"] for draft in drafts for m in turns(draft) if m["role"] == "system"]
    assert sorted(wanted) == sorted(SEEDS[:3])
    first = candidate("a", "黄金应该怎样买才划算", vector=[0.0, 1.0], seed_vectors=[(SEEDS[0], [1.0, 0.0])])
    near = candidate("b", "说说两种计息方法有什么差别", vector=[0.96, 0.28])
    pool = step.admit(pool, [near, first])
    assert [row["id"] for row in pool][3:] == ["a"]
    assert pool.dropped[0].reason == "similar_meaning"
    assert pool.dropped[0].facts["neighbour"] == "s0"
    later = [m["content"] for draft in step.draft(pool, 1) for m in turns(draft) if m["role"] == "system"]
    assert sorted(later) == sorted(SEEDS[1:3])


def test_beyond_the_target_nothing_is_taken_in_and_the_step_ends():
    step, pool = start(target=1)
    pool = step.admit(pool, [candidate("a", "介绍黄金投资"), candidate("b", "外汇储备有什么用处？")])
    assert [item.reason for item in pool.dropped] == ["target_reached"]
    assert list(step.draft(pool, 1)) == []


def test_it_ends_after_the_last_round_and_when_a_round_yields_too_little():
    step, pool = start(rounds=1)
    assert list(step.draft(pool, 1)) == []
    step, pool = start(least_yield=0.5)
    list(step.draft(pool, 0))
    poor = step.admit(pool, [candidate("a", "介绍黄金投资"), *(candidate(f"b{n}", SEEDS[n]) for n in range(2))])
    assert list(step.draft(poor, 1)) == []
    step, pool = start(least_yield=0.3)
    list(step.draft(pool, 0))
    enough = step.admit(pool, [candidate("a", "介绍黄金投资"), *(candidate(f"b{n}", SEEDS[n]) for n in range(2))])
    assert len(list(step.draft(enough, 1))) == 5


def test_near_the_target_no_more_is_asked_for_than_may_be_needed():
    step, pool = start(target=2)
    assert len(list(step.draft(pool, 0))) == 2


def test_seeds_are_handed_on_only_on_request():
    step, pool = start()
    pool = step.admit(pool, [candidate("a", "介绍黄金投资")])
    assert [row["id"] for row in step.result(pool)] == ["a"]
    both = list(SelfInstruct(keep_seeds=True).result(pool))
    assert len(both) == 13
    assert both[0]["round"] == 0


# --- terms and forms -------------------------------------------------------------------------------


def test_all_terms_take_turns():
    terms = [f"术语{n}" for n in range(20)]
    seen = Counter(term for number in range(8) for term in choose_terms(terms, number, 5))
    assert set(seen) == set(terms)
    assert set(seen.values()) == {2}
    assert choose_terms(terms[:2], 3, 5) != []
    assert choose_terms([], 0, 5) == []


def test_without_a_glossary_the_seeds_own_words_are_the_terms():
    found = seed_terms(SEEDS, "zh")
    assert any("基金" in term or "债券" in term or "存款" in term for term in found)
    assert seed_terms(["Explain the yield of a treasury bond."], "en")


@pytest.mark.parametrize(
    ("name", "text"),
    [("g.yaml", "久期: 价格对利率的敏感程度\n利差:\n"), ("g.yml", "[{久期: 价格对利率的敏感程度}, 利差]"),
     ("g.txt", "# 术语\n久期：价格对利率的敏感程度\n利差\n久期\t重复\n")],
)  # fmt: skip
def test_a_glossary_is_read_from_yaml_and_from_lines(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    assert read_glossary(tmp_path / name) == {"久期": "价格对利率的敏感程度", "利差": ""}
    found = meanings(tmp_path / name, [], "请解释什么是久期", "zh", 5)
    assert found == ["久期：价格对利率的敏感程度"]


@pytest.mark.parametrize("text", ["久期: {a: 1}", "3", "a: [", "x" * 61])
def test_a_faulty_glossary_is_a_problem_of_the_plan(tmp_path, text):
    (tmp_path / "g.yaml").write_text(text, "utf-8")
    if text.startswith("x"):
        (tmp_path / "g.yaml").write_text(f"- {text}", "utf-8")
    step = SelfInstruct(glossary=tmp_path / "g.yaml")
    assert step.files() == (tmp_path / "g.yaml",)
    assert len(step.problems()) == 1
    assert "g.yaml" in step.problems()[0]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("json", '```json\n{"利率": 0.03}\n```', "利率是 3%"),
        ("table", "| 项目 | 金额 |\n|---|---|\n| 租金 | 300 |", "项目：租金"),
        ("list", "1. 股票\n2. 债券", "股票和债券"),
        ("number", "3.5%", "利率大约在 3% 到 5% 之间"),
        ("label", "正面", "这句话的情感倾向整体上可以看成是正面的"),
        ("text", "利率上升，债券价格下跌。", '{"a": 1}'),
    ],
)
def test_the_form_of_an_answer_is_checked(form, good, bad):
    assert has_form(good, form, "zh")
    assert not has_form(bad, form, "zh")


def test_whether_a_task_says_its_form():
    assert says_form("以 JSON 格式列出三种基金", "json")
    assert says_form("Answer with a table.", "table")
    assert not says_form("列出三种基金的费用", "json")


# --- whole runs ------------------------------------------------------------------------------------

LETTERS = "黄金国债汇率养老车险房贷票据期货税费信托外储应收账款怎样购买出租转让评估核算抵押担保赎回分红结算清偿"


def model(body):
    """Go on with the list: new tasks in the order asked, a copy of one shown, and one that cannot be done."""
    text = "\n".join(m["content"] for m in body["messages"])
    dice = random.Random(text + repr(sorted(body.items(), key=str)))
    copied = re.findall(r"^\d+\. (?:【.*?】)?(.+)$", body["messages"][2]["content"], re.M)[0]
    new = ["说明" + "".join(dice.sample(LETTERS, 12)) for _ in range(4)]
    lines = [*new, copied, "请根据图片说明走势的变化"]
    return "好的：\n" + "\n".join(f"{n}、{line}" for n, line in enumerate(lines, 9))


def run(folder, settings, provider=None, seeds=SEEDS, lang="zh"):
    folder.mkdir(exist_ok=True)
    lines = [
        {"instruction": text, "instances": [{"input": "", "output": "好"}], "is_classification": False}
        for text in seeds
    ]
    (folder / "seeds.jsonl").write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    recipe = {
        "name": "grow",
        "lang": lang,
        "models": {"teacher": {"endpoint": "http://127.0.0.1:9/v1", "model": "scripted", "revision": "1"}},
        "streams": {"tasks": [{"samples": {"file": "seeds.jsonl"}}, {"self_instruct": settings}]},
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    served = []

    def count(body):
        served.append(body)
        return (provider or model)(body)

    manifest = run_recipe(
        load_recipe(folder / "recipe.yaml"), folder / "run", providers={"teacher": [ScriptedProvider(count)]}
    )
    stage = next((folder / "run" / "streams" / "tasks").glob("*-self_instruct"))
    rows = [row for path in shard_files(stage) for row in read_rows(path)]
    counts = next(value for key, value in manifest["counts"].items() if key.endswith("self_instruct"))
    return rows, counts, served, list(read_losses(stage, "dropped")), stage


def test_a_run_grows_new_tasks_that_differ_and_says_what_became_of_the_others(tmp_path):
    rows, counts, served, lost, _ = run(tmp_path, {"target": 20, "domain": "个人理财"})
    texts = [question(row) for row in rows]
    assert len(texts) == 20
    assert max(rouge_l(a, b) for a, b in combinations([*texts, *SEEDS], 2) if not (a in SEEDS and b in SEEDS)) <= 0.7
    assert {row["method"] for row in rows} == {"self_instruct"}
    assert {row["round"] for row in rows} == set(range(1, len(counts["rounds"]) + 1))
    assert all(len(row["parents"]) == 8 for row in rows)
    reasons = Counter(row["reason"] for row in lost)
    assert reasons["cannot_be_done"] == len(served)
    assert reasons["similar_wording"] >= len(served) - 1
    sampling = served[0]
    assert (sampling["temperature"], sampling["top_p"], sampling["presence_penalty"], sampling["max_tokens"]) == (
        0.7,
        0.5,
        2.0,
        1024,
    )
    assert "个人理财" in sampling["messages"][0]["content"]


def test_the_same_recipe_gives_the_same_bytes_from_the_ledger_without_a_call(tmp_path):
    *_, first = run(tmp_path / "a", {"target": 15})
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").glob("ledger.sqlite*"):
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    _, _, served, _, second = run(tmp_path / "b", {"target": 15})
    assert served == []
    assert [p.read_bytes() for p in shard_files(first)] == [p.read_bytes() for p in shard_files(second)]


def test_a_run_with_an_embedder_compares_meanings(tmp_path):
    embedded = []

    def vectors(body):
        if "input" not in body:
            return model(body)
        embedded.extend(body["input"])
        data = [{"index": n, "embedding": [1.0, float(len(text)), 0.5]} for n, text in enumerate(body["input"])]
        return {"object": "list", "data": data, "model": "scripted", "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    settings = {"target": 6, "rounds": 2, "to_embedder": "teacher", "semantic": 0.999}
    _, counts, *_ = run(tmp_path, settings, vectors)
    assert counts["failed"] == 0
    assert set(SEEDS) <= set(embedded)
    assert counts["dropped"]["similar_meaning"] > 0


def cut_off(body):
    return {"say": ["9. 介绍黄金投资的三种方式\n10. 说明外汇储备的用"], "finish": "length"}


def test_a_truncated_reply_loses_its_last_task_or_all_of_them(tmp_path):
    rows, *_ = run(tmp_path / "last", {"target": 3, "rounds": 1, "requests": 1}, cut_off)
    assert [question(row) for row in rows] == ["介绍黄金投资的三种方式"]
    rows, counts, *_ = run(
        tmp_path / "whole", {"target": 3, "rounds": 1, "requests": 1, "truncated": "drop_reply"}, cut_off
    )
    assert rows == []
    assert counts["dropped"]["truncated"] == 1


def test_terms_are_named_in_the_prompt_and_noted_on_the_task(tmp_path):
    (tmp_path / "terms.txt").write_text("久期：债券价格对利率的敏感程度\n流动比率\n", "utf-8")

    def about(body):
        assert "久期：债券价格对利率的敏感程度" in body["messages"][-1]["content"]
        wanted = re.findall(r"^(\d+)\. 【(.+)】$", body["messages"][-1]["content"], re.M)
        return "\n".join(f"{n}. 【{term}】请用一个例子说明{term}怎样计算" for n, term in wanted)

    rows, *_ = run(tmp_path, {"target": 2, "rounds": 1, "glossary": "terms.txt", "lexical": 0.95}, about)
    assert {row["topic"] for row in rows} == {"久期", "流动比率"}
    assert all(not question(row).startswith("【") for row in rows)


def test_a_form_is_asked_for_and_stands_in_the_task(tmp_path):
    rows, *_ = run(
        tmp_path, {"target": 3, "rounds": 1, "requests": 1, "forms": ["json"]}, lambda body: "9. 列出国债的三个特点"
    )
    assert [row["form"] for row in rows] == ["json"]
    assert question(rows[0]).startswith("列出国债的三个特点。")
    assert "JSON" in question(rows[0])


def test_a_pool_of_english_seeds_grows_in_english(tmp_path):
    seeds = [f"Name three things that a {who} should know about loans." for who in ("baker", "nurse", "pilot")]
    (tmp_path / "terms.txt").write_text("yield: what an investment returns in a year\nbond\n")

    def english(body):
        last = body["messages"][-1]["content"]
        assert "yield: what an investment returns in a year" in last
        wanted = re.findall(r"^(\d+)\. \[(.+)\]$", last, re.M)
        asks = ["Explain to a student what {} means.", "Which risks does a {} carry when rates rise?"]
        return "Sure!\n" + "\n".join(f"{n}. [{t}] {ask.format(t)}" for (n, t), ask in zip(wanted, asks, strict=True))

    settings = {"target": 2, "rounds": 1, "glossary": "terms.txt", "forms": ["table"]}
    rows, *_ = run(tmp_path, settings, english, seeds, "en")
    assert {row["topic"] for row in rows} == {"yield", "bond"}
    assert all(row["lang"] == "en" and question(row).endswith("Answer with a Markdown table.") for row in rows)


def test_a_base_model_goes_on_with_plain_text(tmp_path):
    def plain(body):
        assert body["prompt"].endswith("\n9.")
        assert body["stop"] == ["\n\n", "\n16", "16.", "16 ."]
        return " 介绍黄金投资的三种方式\n10. 说明外汇储备的用处和来源"

    rows, *_ = run(tmp_path, {"target": 2, "rounds": 1, "requests": 1, "raw": True}, plain)
    assert [question(row) for row in rows] == ["介绍黄金投资的三种方式", "说明外汇储备的用处和来源"]


def test_its_prompts_fit_in_both_languages():
    assert Prompts().check(SelfInstruct, "self_instruct", ["zh", "en"]) == []
    assert SelfInstruct().roles() == ("teacher",)
    assert SelfInstruct(to_embedder="e").roles() == ("teacher", "e")
    assert isinstance(SelfInstruct().start(seed_rows()), Pool)
    assert len(SelfInstruct().start(seed_rows()).memory.index) == len(SEEDS)
    assert NoveltyIndex().clash("全新的任务") is None
