"""Keeps samples whose text is whole: nothing cut off, garbled, or left over from a prompt."""

from typing import ClassVar, Literal, get_args

from sftmill.core import Drop, Row, RowStep, answer, question
from sftmill.steps.curate.filters.defects import DEFECTS

Defect = Literal[
    "open_fence",
    "open_bracket",
    "template_left",
    "empty_item",
    "cut_off",
    "control_token",
    "mojibake",
    "html_remnant",
    "broken_table",
]


class FormatFilter(RowStep):
    """Drops samples with a defect of form, and says which and where.

    `open_fence` a code block that is not closed; `open_bracket` a bracket without partner in prose;
    `template_left` a piece of a prompt or of a JSON reply ("问题：", "### Response:"); `empty_item` a list
    mark without text; `cut_off` an end in the middle of a sentence; `control_token` of a chat template;
    `mojibake` replacement or control characters, wrong decodings; `html_remnant` tags and entities;
    `broken_table` rows with more cells than their head. Code is looked at by none but the first.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "question", "answer")

    defects: tuple[Defect, ...] = get_args(Defect)
    """Defects to look for, in this order."""

    def row(self, row: Row) -> Row:
        """Return the row as it is, or drop it."""
        asked, said = question(row), answer(row)
        for defect in self.defects:
            found = DEFECTS[defect](asked, said)
            if found is not None:
                raise Drop(defect, found=found)
        return row
