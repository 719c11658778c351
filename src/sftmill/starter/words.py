"""What `sftmill init` says and asks, in Chinese and English."""

from sftmill.starter.survey import Look

SHOWN = 8
"""Files or reasons that are named one by one."""

QUESTIONS: dict[str, dict[str, str]] = {
    "zh": {
        "endpoint": "1/5 模型在哪里？OpenAI 兼容服务的地址，或 local（内置的小模型）",
        "key_env": "    这算外部服务。保存密钥的环境变量叫什么名字？（只写变量名，不要粘贴密钥；没有就留空）",
        "model": "2/5 模型叫什么名字？（服务只提供一个模型时可留空）",
        "sensitivity": "3/5 谁可以看这些文档？public 任何人，internal 只限内部，secret 严格保密",
        "contract": "    {host} 按外部服务对待（不是本机或内网的 IP 地址）。合同允许它看 {sensitivity} 的文档吗？(yes/no)",
        "lang": "4/5 文档用什么语言？zh，en 或 zh,en",
        "samples": "5/5 想要多少条样本？",
    },
    "en": {
        "endpoint": "1/5 Where is the model? The address of an OpenAI-compatible service, or local (the small embedded one)",
        "key_env": "    This counts as a public service. Which environment variable holds the key? (its name, never the key; or empty)",
        "model": "2/5 What is the model called? (may stay empty where the service has only one)",
        "sensitivity": "3/5 Who may see these documents? public (anybody), internal (the house), secret (very few)",
        "contract": "    {host} counts as public (no private address). Does a contract let it see {sensitivity} documents? (yes/no)",
        "lang": "4/5 Which languages are the documents in? zh, en or zh,en",
        "samples": "5/5 How many samples would you like?",
    },
}


def look_lines(look: Look, lang: str) -> list[str]:
    """Return what was found in a folder, line by line."""
    zh = lang == "zh"
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in look.files.most_common())
    size = _size(look.sizes.total())
    about = "" if look.whole else ("约 " if zh else "about ")
    total = _about(look.total, look.whole)
    chars = ("、" if zh else ", ").join(f"{k} {_about(n, look.whole)}" for k, n in look.characters.most_common())
    if zh:
        lines = [f"{look.folder}：{look.files.total():,} 个文件（{kinds}），{size}"]
        lines.append(f"  文字：{about}{total} 字符（{chars}）" if look.total else "  没有读到文字")
        if not look.whole:
            lines.append(f"  为此读了 {look.read:,} 个文件，其余按大小估算")
        if look.laws:
            lines.append(f"  法规或合同：所读文件中有 {look.laws:,} 个，按条、款切分")
        if look.tables:
            lines.append(f"  表格：{look.tables:,} 张")
    else:
        lines = [f"{look.folder}: {look.files.total():,} files ({kinds}), {size}"]
        lines.append(f"  text: {about}{total} characters ({chars})" if look.total else "  no text was read")
        if not look.whole:
            lines.append(f"  {look.read:,} files were read for this, the others are estimated by their size")
        if look.laws:
            lines.append(f"  laws or contracts: {look.laws:,} of the files read; they are cut by articles")
        if look.tables:
            lines.append(f"  tables: {look.tables:,}")
    lines += _named("  读不了" if zh else "  cannot be read", [f"{name}: {why}" for name, why in look.refused], zh)
    lines += _named(
        "  未采用" if zh else "  left out", [f"{number:,} × {why}" for why, number in look.left_out.most_common()], zh
    )
    return lines


def _named(title: str, texts: list[str], zh: bool) -> list[str]:
    if not texts:
        return []
    more = [f"    ... {len(texts) - SHOWN:,} {'个以上' if zh else 'more'}"] if len(texts) > SHOWN else []
    return [f"{title}{'：' if zh else ':'}", *(f"    {text}" for text in texts[:SHOWN]), *more]


def _about(number: int, exact: bool) -> str:
    """Return a number of characters, an estimated one in three digits."""
    return f"{number if exact else round(number, 3 - len(str(number))):,}"


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MB" if number >= 1 << 20 else f"{number / 1024:,.0f} KB"
