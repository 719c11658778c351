"""What people are reached by on a network: e-mail, chat accounts and, where wanted, IP addresses."""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from sftmill.steps.ingest.personal.finds import Find
from sftmill.text.lazy import lazy_pattern

_AT = r"(?: @ | ?(?:\[at\]|\(at\)|\{at\}|#at#) ?)"
_MAIL = lazy_pattern(
    rf"(?<![0-9A-Za-z_.+\-])[0-9A-Za-z_](?:[0-9A-Za-z_.+\-%']{{0,62}}[0-9A-Za-z_\-])?{_AT}"
    r"(?P<domain>[0-9A-Za-z\-]{1,63}(?: ?(?:\.|\[dot\]|\(dot\)) ?[0-9A-Za-z\-]{1,63}){0,6} ?(?:\.|\[dot\]|\(dot\)) ?(?P<top>[A-Za-z]{2,18}))(?![0-9A-Za-z_])",
    re.A | re.I,
)
_TIGHT_MAIL = lazy_pattern(
    r"(?<![0-9A-Za-z_.+\-])[0-9A-Za-z_](?:[0-9A-Za-z_.+\-%']{0,62}[0-9A-Za-z_\-])?@"
    r"(?P<domain>[0-9A-Za-z\-]{1,63}(?:\.[0-9A-Za-z\-]{1,63}){0,6}\.(?P<top>[A-Za-z]{2,18}))(?:(?![0-9A-Za-z_])|(?<=\.com|\.net|\.org)(?=[0-9])|(?<=\.cn)(?=[0-9]))",
    re.A,
)
# RFC 2606 and RFC 6761: names that belong to nobody.
_RESERVED = lazy_pattern(
    r"(?:(?:.*\.)?(?:example|test|invalid|localhost|local|localdomain|lan|internal|home|arpa|domain|tld|hostname|fqdn)|(?:.*\.)?example\.(?:com|net|org|edu|cn))\Z",
    re.I,
)
# Unit files and files, which are also written name@name.ending.
_NO_TOP = frozenset(
    str.split(
        "service socket target timer mount automount slice scope device path swap conf cfg html htm txt log py js css json yaml xml sh jpg png gif"
    )
)
_ROBOTS = frozenset(str.split("git hg svn cvs anonymous bzr"))
_PLACEHOLDERS = frozenset(
    str.split(
        "user username you your your_name yourname name foo bar someone somebody login loginname localpart local-part address"
    )
)
_PLACEHOLDER_DOMAIN = lazy_pattern(
    r"(?:(?:your|my|some|the|remote)?-?_?(?:remote|domain|host|hostname|server|company|site|machine)|foo|bar|fqdn)(?:-?name)?\.",
    re.I,
)

_CHAT = lazy_pattern(
    r"(?:(?:微信|威信|薇信|(?<![A-Za-z])(?:wechat|weixin|we chat|wx|vx|skype|telegram|line))(?P<numbered>[号號]?(?:[码碼])?(?: ?(?:id|account|no|number|[账帳帐賬][号號])\b)?)"
    r"[ \t]*(?P<mark>[:=|]|是|[为為]|is\b)?[ \t\"'@]*(?P<chat>[A-Za-z0-9][A-Za-z0-9_\-.]{4,28}[A-Za-z0-9_])"
    r"|(?<![A-Za-z])(?:Q ?Q|扣扣|企鹅)(?:[号號][码碼]?| ?(?:number|no)\b\.?)?[ \t]*(?:[:=|]|是|[为為]|is\b)?[ \t\"']*(?P<qq>[1-9][0-9]{4,11}))(?![0-9A-Za-z_@])",
    re.A | re.I,
)
# One of these stands in whatever the pattern finds; looking for them first is far cheaper.
_CHAT_CUES = (
    "微信",
    "威信",
    "薇信",
    "wechat",
    "weixin",
    "we chat",
    "wx",
    "vx",
    "skype",
    "telegram",
    "line",
    "qq",
    "q q",
)
_CHAT_CUES += ("扣扣", "企鹅")
_IP = lazy_pattern(
    r"(?<![0-9A-Za-z_.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9])|(?<![0-9A-Za-z_:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z_:])",
    re.A,
)
# The middle of either; most of a text's numbers have none, and are passed by at the cost of a search.
_IP_MIDDLE = lazy_pattern(r"\.[0-9]{1,3}\.[0-9]", re.A), lazy_pattern(r":[0-9A-Fa-f]{0,4}:", re.A)


def find_mails(text: str) -> Iterator[Find]:
    """Yield e-mail addresses, but not those of names that RFC 2606 reserves for examples."""
    at = "@" in text
    if at:
        yield from _mails(_TIGHT_MAIL, text)
    if "at]" in text or "at)" in text or " @ " in text or "at}" in text or "#at#" in text:
        yield from _mails(_MAIL, text)


def _mails(pattern: re.Pattern[str], text: str) -> Iterator[Find]:
    for match in pattern.finditer(text):
        local = re.split(r"[@ \[({#]", match[0], maxsplit=1)[0].lower()
        domain = match["domain"].replace(" ", "").replace("[dot]", ".").replace("(dot)", ".")
        if _RESERVED.match(domain) or match["top"].lower() in _NO_TOP or local in _ROBOTS:
            continue
        if local in _PLACEHOLDERS and _PLACEHOLDER_DOMAIN.match(domain):
            continue
        if "://" in text[max(0, match.start() - 40) : match.start()] and re.search(
            r"://[^\s/]*\Z", text[max(0, match.start() - 40) : match.start()]
        ):
            continue
        yield Find(match.start(), match.end(), "email")


def find_chats(text: str) -> Iterator[Find]:
    """Yield accounts of chat services behind their cue."""
    lower = text.lower()
    if not any(cue in lower for cue in _CHAT_CUES):
        return
    for match in _CHAT.finditer(text):
        if match["qq"]:
            yield Find(*match.span("qq"), "account")
            continue
        account = match["chat"]
        cued = (
            match["mark"] or match["numbered"] or (match[0][0] in "微威薇" and account.islower() and "." not in account)
        )
        if (match["mark"] and match["numbered"]) or (cued and any(c.isdigit() or c in "_-" for c in account)):
            yield Find(*match.span("chat"), "account")


def find_addresses_of_machines(text: str) -> Iterator[Find]:
    """Yield IP addresses of both versions that are not loopback, unspecified or for documentation."""
    if not any(middle.search(text) for middle in _IP_MIDDLE):
        return
    for match in _IP.finditer(text):
        try:
            address = ip_address(match[0])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            yield Find(match.start(), match.end(), "ip")
