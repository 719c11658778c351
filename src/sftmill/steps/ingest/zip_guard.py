"""What a zip file would become, looked at before anything is unpacked."""

import io
import zipfile

from sftmill.core import Drop

MOST_UNPACKED = 1 << 30
"""Bytes that the parts of an office document may have together when unpacked."""
RATIO = 250
"""Times that a large member may be larger than it is packed; deflate cannot do more than 1,032, text stays below 50."""
SMALL = 10 << 20
"""Bytes up to which a member's ratio does not matter."""
MOST_PARTS = 20_000
"""Members of an office document."""


def guard(data: bytes) -> None:
    """Raise Drop("unreadable") for bytes that are no zip file, or one made to fill the memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Drop("unreadable", why=f"no office document, or cut off ({error}); save it again") from None
    total = sum(member.file_size for member in members)
    if len(members) > MOST_PARTS or total > MOST_UNPACKED or any(map(is_bomb, members)):
        raise Drop("unreadable", why="its parts are far larger than the file; save it again", unpacked=total)


def is_bomb(member: zipfile.ZipInfo) -> bool:
    """Tell whether a member becomes so much larger that it looks made for it."""
    return member.file_size > SMALL and member.file_size > RATIO * max(1, member.compress_size)
