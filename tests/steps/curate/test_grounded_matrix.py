"""Ten pairs, each faithful and corrupted in four ways, in both languages: what passes and what does not."""

import pytest

from sftmill.core import Drop
from sftmill.steps.curate.grounding.grounded import Grounded

# passage, question, faithful, number changed, negated, entity swapped, unsupported addition
ZH = [
    (
        "图书馆每周二闭馆，其余时间从九点开到二十一点。读者凭证可借书 12 册，借期 30 天，逾期每册每天收费 0.2 元。古籍不得外借。",
        "读者凭证可借多少册书？",
        "读者凭证可借书 12 册，借期 30 天。",
        "读者凭证可借书 15 册，借期 30 天。",
        "读者凭证不可借书 12 册，借期 30 天。",
        "教师凭证可借书 12 册，借期 30 天。",
        "读者凭证可借书 12 册，这一数量由教育部门与出版协会商定。",
    ),
    (
        "大桥由林牧之主持设计，1957 年建成通车，全长 1670 米。桥面分为两层，上层走汽车，下层走火车。",
        "大桥由谁主持设计？",
        "大桥由林牧之主持设计，1957 年建成通车。",
        "大桥由林牧之主持设计，1959 年建成通车。",
        "大桥不由林牧之主持设计，1957 年建成通车。",
        "大桥由欧阳文远主持设计，1957 年建成通车。",
        "大桥由林牧之主持设计，他早年曾在海外求学多年。",
    ),
    (
        "该疫苗须在 2 至 8 摄氏度避光保存，不得冷冻。接种后应在现场观察半小时。孕妇应当推迟接种。",
        "疫苗应当怎样保存？",
        "疫苗须在 2 至 8 摄氏度避光保存，不得冷冻。",
        "疫苗须在 2 至 12 摄氏度避光保存，不得冷冻。",
        "疫苗须在 2 至 8 摄氏度避光保存，可以冷冻。",
        "血浆制品须在 2 至 8 摄氏度避光保存，不得冷冻。",
        "疫苗须在 2 至 8 摄氏度避光保存，否则其蛋白质外壳会很快分解失效。",
    ),
    (
        "云岭县盛产茶叶，种植面积 4.5 万亩，主要品种是白毫。2020 年全县茶叶产值达到 3 亿元。",
        "云岭县的茶叶种植面积是多少？",
        "云岭县的茶叶种植面积是 4.5 万亩。",
        "云岭县的茶叶种植面积是 5.4 万亩。",
        "云岭县的茶叶种植面积不是 4.5 万亩。",
        "临海市的茶叶种植面积是 4.5 万亩。",
        "云岭县的茶叶种植面积是 4.5 万亩，主要销往欧洲和中东的大型超市。",
    ),
    (
        "值班员每两小时巡视一次机房，发现漏水应立即关闭总阀并报告主管。离岗须有人顶替。",
        "值班员多久巡视一次机房？",
        "值班员每两小时巡视一次机房。",
        "值班员每四小时巡视一次机房。",
        "值班员并非每两小时巡视一次机房。",
        "保洁公司每两小时巡视一次机房。",
        "值班员每两小时巡视一次机房，并为来访客人准备茶水和宣传册。",
    ),
]
EN = [
    (
        "The library closes on Tuesdays and is open from nine to nine otherwise. Members may borrow 12 books for 30 days; "
        "late books cost 20 cents a day. Rare books must not leave the building.",
        "How many books may members borrow?",
        "Members may borrow 12 books for 30 days.",
        "Members may borrow 15 books for 30 days.",
        "Members may not borrow 12 books for 30 days.",
        "According to the passage, members of Greenfield may borrow 12 books for 30 days.",
        "Members may borrow 12 books, because the council pays a yearly grant to local publishers.",
    ),
    (
        "The bridge was designed by Martin Holloway and opened in 1957. It is 1670 metres long. Cars use the upper deck, "
        "trains the lower one.",
        "Who designed the bridge?",
        "The bridge was designed by Martin Holloway and opened in 1957.",
        "The bridge was designed by Martin Holloway and opened in 1959.",
        "The bridge was not designed by Martin Holloway and opened in 1957.",
        "The bridge was designed by Edgar Pemberton and opened in 1957.",
        "The bridge was designed by Martin Holloway, whose father had been a famous sculptor abroad.",
    ),
    (
        "The vaccine is kept in the dark at 2 to 8 degrees Celsius and must not be frozen. Patients wait for half an hour "
        "after the injection.",
        "How is the vaccine kept?",
        "The vaccine is kept in the dark at 2 to 8 degrees Celsius and must not be frozen.",
        "The vaccine is kept in the dark at 2 to 12 degrees Celsius and must not be frozen.",
        "The vaccine is kept in the dark at 2 to 8 degrees Celsius and must be frozen.",
        "The vaccine of Novarel is kept in the dark at 2 to 8 degrees Celsius and must not be frozen.",
        "The vaccine is kept in the dark, since its protein shell would otherwise dissolve within minutes.",
    ),
    (
        "Cloud Ridge county is known for tea. The plantations cover 4,500 hectares, and the main variety is white tip. "
        "In 2020 the harvest was worth 3 million dollars.",
        "How large are the plantations of Cloud Ridge county?",
        "The plantations cover 4,500 hectares.",
        "The plantations cover five thousand four hundred hectares.",
        "The plantations do not cover 4,500 hectares.",
        "The plantations of Port Ellery cover 4,500 hectares.",
        "The plantations cover 4,500 hectares and supply the largest supermarkets across Europe.",
    ),
    (
        "The guard inspects the server room every two hours. When water leaks, the main valve is closed and the manager "
        "is told. Nobody leaves without a substitute.",
        "How often does the guard inspect the server room?",
        "The guard inspects the server room every two hours.",
        "The guard inspects the server room every four hours.",
        "The guard does not inspect the server room every two hours.",
        "Inspector Ravenscroft inspects the server room every two hours.",
        "The guard inspects the server room every two hours and prepares brochures for visiting customers.",
    ),
]
PAIRS = [("zh", *case) for case in ZH] + [("en", *case) for case in EN]


def verdict(lang, passage, asked, said):
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    try:
        row = Grounded().row({"lang": lang, "passage": passage, "messages": messages, "quotations": None})
    except Drop as drop:
        assert drop.facts["why"]
        return drop.reason
    return row["grounded"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_faithful_answers_pass(lang):
    for code, passage, asked, faithful, *_ in PAIRS:
        if code == lang:
            assert isinstance(verdict(code, passage, asked, faithful), float), faithful


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_changed_number_is_refused_by_rule(lang):
    for code, passage, asked, _, number, *_ in PAIRS:
        if code == lang:
            assert verdict(code, passage, asked, number) == "number_not_in_source", number


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_negation_turned_round_is_refused_by_rule(lang):
    for code, passage, asked, _, _, negated, *_ in PAIRS:
        if code == lang:
            assert verdict(code, passage, asked, negated) == "negation_differs", negated


@pytest.mark.parametrize(("kind", "least"), [(-2, 9), (-1, 9)])
def test_swapped_entities_and_additions_are_nearly_always_refused(kind, least):
    outcomes = [(pair[kind], verdict(pair[0], pair[1], pair[2], pair[kind])) for pair in PAIRS]
    kept = [(said, outcome) for said, outcome in outcomes if isinstance(outcome, float)]
    assert len(outcomes) - len(kept) >= least, kept


def test_sentences_of_a_passage_are_supported_by_it_and_not_by_another():
    others = [*PAIRS[1:], PAIRS[0]]
    for (lang, passage, asked, faithful, *_), other in zip(PAIRS, others, strict=True):
        assert isinstance(verdict(lang, passage, asked, faithful), float)
        assert isinstance(verdict(lang, other[1], asked, faithful), str)
