"""What is held out before anything is generated: the file that names it, and what a test of its size can show."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from sftmill.errors import RunError
from sftmill.flow.shards import write_atomically

Z_TWO_SIDED, Z_POWER = 1.959964, 0.841621
"""Quantiles of the normal distribution for a two-sided test at 5 % and a power of 80 %."""


@dataclass(frozen=True, slots=True)
class Held:
    """One reserved source: a document, or a sample of a database."""

    key: str
    """What it is known by, whatever its file is called (`flow.reserve.content_key`)."""
    name: str
    """Path of the file when it was reserved, or the sample's question, for people."""
    copy_of: str = ""
    """Name of the reserved document that this one largely repeats; it is held out with it."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """What a project holds out."""

    held: tuple[Held, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The content keys of everything that is held out."""
        return frozenset(one.key for one in self.held)


def read_holdout(path: Path) -> Holdout:
    """Read the file that `sftmill holdout` wrote; raises RunError when it is not one."""
    try:
        content = orjson.loads(path.read_bytes())
        return Holdout(tuple(Held(**one) for one in content["held"]))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); run `sftmill holdout RECIPE` to make it") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: is no file of reserved sources ({error}); restore it from a copy. If it is lost, move it away "
            "and run `sftmill holdout RECIPE`, and test with nothing that was made before"
        ) from None


def write_holdout(path: Path, holdout: Holdout) -> None:
    """Write what is held out, sorted, for version control."""
    held: list[dict[str, Any]] = [asdict(one) for one in sorted(holdout.held, key=lambda one: (one.name, one.key))]
    write_atomically(path, orjson.dumps({"held": held}, option=orjson.OPT_INDENT_2) + b"\n")


def detectable_difference(items: int, accuracy: float = 0.5, disagreement: float | None = None) -> float:
    """Return the smallest difference in accuracy that a test of `items` shows in four of five cases, 0 to 1.

    Two-sided test at 5 %. Without `disagreement` two models are tested on different items or compared
    by their totals (two proportions); with it, both answer the same items and only those count on which
    they disagree, a share `disagreement` of all (McNemar's test). Normal approximations, as in Fleiss,
    Levin and Paik, Statistical Methods for Rates and Proportions, chapters 4 and 13.
    """
    if items < 1:
        return 1.0
    variance = 2 * accuracy * (1 - accuracy) if disagreement is None else disagreement
    return min(1.0, (Z_TWO_SIDED + Z_POWER) * math.sqrt(variance / items))


def items_needed(difference: float, disagreement: float) -> int:
    """Return how many items a paired test needs to show a difference in four of five cases."""
    return math.ceil(disagreement * ((Z_TWO_SIDED + Z_POWER) / difference) ** 2)
