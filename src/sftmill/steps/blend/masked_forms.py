"""The forms for answers of which a part must carry no loss, such as a mistake that is corrected further on.

What the tools can say of a part of a turn, from the released sources of ms-swift 4.6, TRL 1.16 and LLaMA-Factory 0.9.5:

- ms-swift joins assistant turns that follow one another into one answer and keeps the `loss` of each, true or false.
  It does so with its own templates alone: with `--template_backend jinja` it joins the texts and forgets the `loss`.
- TRL masks whole turns (`assistant_only_loss`) or a prompt. It takes `labels` as they are where a data set brings
  them, but these are tokens, which belong to one model.
- LLaMA-Factory masks the prompt or all turns but the last.

So rows with `masked_spans` are in none of the other forms, and there is a file for ms-swift and one that names the
parts. The latter's turns are called `conversation`: a tool that found `messages` there would learn all of them.
"""

from typing import Any, NamedTuple

from sftmill.core import answer
from sftmill.steps.blend.conversation import LeftOut, Sample, Turn, clean
from sftmill.steps.blend.forms import message, system_message, with_tools
from sftmill.steps.blend.reasoning import split_thought


class Piece(NamedTuple):
    """A part of an answer; `loss` says whether it is learnt."""

    text: str
    loss: bool


def answer_pieces(sample: Sample) -> list[Piece]:
    """Return the answer cut where its loss changes; together the pieces are the answer as it is trained.

    What the model thought is learnt. Raises LeftOut where nothing is masked, where nothing would be learnt, and where
    the places do not fit the answer or cut through a control token.
    """
    spans = sample.row.get("masked_spans")
    if not spans:
        raise LeftOut("not_masked")
    sample.check_answer(masked=True)
    if sample.answer is None or sample.calls:
        raise LeftOut("no_answer")
    raw = answer(sample.row)
    places = _places(spans, len(raw))
    try:
        text = split_thought(raw)[1]
    except ValueError:
        raise LeftOut("bad_spans") from None
    begin = len(raw) - len(text)
    if places and places[0][0] < begin:
        raise LeftOut("bad_spans")  # within the thought
    spoken = sample.spoken(sample.answer)
    pieces = [Piece(spoken[: len(spoken) - len(sample.answer.text)], True)]
    at = begin
    for start, end in places:
        pieces += [Piece(clean(raw[at:start]), True), Piece(clean(raw[start:end]), False)]
        at = end
    joined = _joined([*pieces, Piece(clean(raw[at:]), True)])
    if "".join(piece.text for piece in joined) != spoken:
        raise LeftOut("bad_spans")
    if not any(piece.loss and piece.text.strip() for piece in joined):
        raise LeftOut("all_masked")
    return joined


def _places(spans: list[int], size: int) -> list[tuple[int, int]]:
    ends = list(zip(spans[::2], spans[1::2], strict=False))
    at = 0
    for start, end in ends:
        if not at <= start < end <= size:
            raise LeftOut("bad_spans")
        at = end
    if len(spans) % 2:
        raise LeftOut("bad_spans")
    return ends


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return pieces none of which is empty or has the loss of the one before it."""
    out: list[Piece] = []
    for piece in pieces:
        if out and out[-1].loss == piece.loss:
            out[-1] = Piece(out[-1].text + piece.text, piece.loss)
        elif piece.text:
            out.append(piece)
    return out


def as_masked_swift(sample: Sample) -> dict[str, Any]:
    """Return messages that end with the answer's pieces, each an assistant turn with its `loss`."""
    pieces = [{"role": "assistant", "content": text, "loss": loss} for text, loss in answer_pieces(sample)]
    return with_tools({"messages": [*_before(sample), *pieces]}, sample)


def as_masked_spans(sample: Sample) -> dict[str, Any]:
    """Return the conversation and, as start and end in characters of its last turn, the parts without loss."""
    pieces = answer_pieces(sample)
    spans: list[int] = []
    at = 0
    for text, loss in pieces:
        if not loss:
            spans += [at, at + len(text)]
        at += len(text)
    last = message(Turn("assistant", "".join(piece.text for piece in pieces)))
    return with_tools({"conversation": [*_before(sample), last], "masked_spans": spans}, sample)


def _before(sample: Sample) -> list[dict[str, Any]]:
    return [*system_message(sample), *map(message, sample.prompt)]
