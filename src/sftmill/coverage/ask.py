"""What the command line says of kinds of demand and their weights."""

from collections.abc import Mapping, Sequence

from sftmill.errors import RunError


def read_kinds(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the streams of each kind of demand: `queries`, `NAME=STREAM` or `NAME=OTHER_RUN:STREAM`.

    A stream without a name is a kind of its own, named by its stream; several streams may share a name.
    """
    kinds: dict[str, list[str]] = {}
    for text in texts:
        name, sign, stage = text.partition("=")
        if not sign:
            name, stage = text.rpartition(":")[2].partition("/")[0], text
        if not name or not stage:
            raise RunError(f"--demand {text!r}: write a stream, or NAME=STREAM, such as --demand users=queries")
        kinds.setdefault(name, []).append(stage)
    return kinds


def read_weights(texts: Sequence[str], kinds: Mapping[str, object]) -> dict[str, float]:
    """Return the weights of kinds of demand; raises RunError for a kind that there is not, or a weight that is none."""
    weights: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name not in kinds or not 0 <= value < 1e9:
            known = ", ".join(kinds)
            raise RunError(
                f"--weight {text!r}: write NAME=NUMBER, such as {next(iter(kinds), 'queries')}=3; names are: {known}"
            )
        weights[name] = value
    return weights
