"""Whether a font with Chinese characters is installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
_CHINESE = re.compile(
    r"cjk|sourcehan|source-han|wqy|simsun|simhei|simkai|simfang|msyh|msjh|mingliu|deng(?:xian|\.ttf)|pingfang|stheiti|"
    r"songti|kaiti|hiragino|heiti|fangsong|uming|ukai|droidsansfallback|harmonyos|misans|alibaba|lxgw|notosans(?:sc|tc|hans)",
    re.I,
)
_MOST = 50_000


def chinese_fonts(folders: Iterable[str] = FOLDERS, fc_list: str | None = "fc-list") -> list[str]:
    """Return the names of fonts with Chinese characters: as fontconfig knows them, else by their file names."""
    if fc_list and (program := shutil.which(fc_list)):
        try:
            told = subprocess.run(
                [program, ":lang=zh", "family"], capture_output=True, text=True, timeout=15, errors="replace"
            )
            families = sorted({line.split(",")[0].strip() for line in told.stdout.splitlines() if line.strip()})
            if families:
                return families
        except (OSError, subprocess.SubprocessError):
            pass  # then by the files
    found: set[str] = set()
    seen = 0
    for folder in folders:
        for _, _, files in os.walk(Path(folder).expanduser()):
            seen += len(files)
            found |= {
                name for name in files if name.lower().endswith((".ttf", ".ttc", ".otf")) and _CHINESE.search(name)
            }
            if seen > _MOST:
                return sorted(found)
    return sorted(found)
