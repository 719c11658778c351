"""What of a text is prose: code, commands, formulas, addresses and markup are left out."""

import re

from sftmill.text import count_cjk
from sftmill.text.lazy import lazy_pattern

_FENCE = lazy_pattern(r"^[ \t]{0,3}(`{3,}|~{3,}).*?(?:^[ \t]{0,3}\1[ \t]*$|\Z)", re.M | re.S)
_INLINE = lazy_pattern(r"`[^`\n]{1,300}`")
_FORMULA = lazy_pattern(r"\$\$.{1,2000}?\$\$|\$[^$\n]{1,200}\$|\\\[.{1,2000}?\\\]|\\\(.{1,300}?\\\)", re.S)
_ADDRESS = lazy_pattern(r"(?:https?|ftp)://[^\s<>\"'，。；）]{1,500}|[\w.+\-]{1,64}@[\w.\-]{1,200}", re.A)
_TAG = lazy_pattern(r"</?[A-Za-z][^<>\n]{0,200}>")
_CODE_LINE = lazy_pattern(
    r"^[ \t]*(?:[$#>] .*|(?:sudo|apt|apt-get|yum|dnf|pip|npm|git|cd|ls|cat|grep|docker|kubectl|systemctl|curl|wget|import|from|def|class|return|"
    r"if|for|while|else|elif|try|except|public|private|static|var|let|const|function|print|select|insert|update|delete|create|#include)\b"
    r"(?=.*[(){}\[\];=<>|/\-]).*|.*[;{}][ \t]*|[ \t]*//.*|.*\w\([^()]{0,80}\)[ \t]*:?[ \t]*|[\w.\[\]]{1,60} ?[+\-*/]?= ?.*)$",
    re.M | re.I,
)


def without_fences(text: str) -> str:
    """Return `text` without fenced blocks and code between backticks; an open fence reaches to the end."""
    return _INLINE.sub(" ", _FENCE.sub("\n", text)) if "`" in text or "~~~" in text else text


def prose(text: str) -> str:
    """Return what of `text` is said in a language: no code, commands, formulas, addresses and tags."""
    text = _TAG.sub(" ", _ADDRESS.sub(" ", _FORMULA.sub(" ", without_fences(text))))
    return "\n".join(line for line in text.split("\n") if not _is_code(line))


_SYMBOLS = lazy_pattern(r"[-|/\\{}()\[\]<>$=;*'\"_&#~^+@%]")


def _is_code(line: str) -> bool:
    """Tell whether a line is a command or a statement: by its words, or by every seventh character being a symbol."""
    if len(line) > 2000 or count_cjk(line) > 12:
        return False
    return bool(_CODE_LINE.match(line)) or 7 * len(_SYMBOLS.findall(line)) > len(line)
