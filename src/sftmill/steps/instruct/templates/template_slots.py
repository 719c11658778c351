"""Slots of templates: which values one can take, and how a value is written in Chinese and in English."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sftmill.steps.instruct.templates.expression import CONTEXT, Value, round_half_up
from sftmill.text import is_cjk

SlotType = Literal["int", "decimal", "percent", "money", "date", "choice", "term"]
MOST_CHOICES = 10_000
LARGEST = Decimal(10) ** 15
"""Greatest number of a slot, either sign."""
_PREFIXED = ("$", "€", "£", "¥", "US$", "HK$")
_MONTHS = str.split("January February March April May June July August September October November December", " ")


class Written(NamedTuple):
    """A value as expressions and as readers see it."""

    value: Value
    text: str


class Shape(BaseModel):
    """How a value is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    type: SlotType = "decimal"
    unit: str = Field("", max_length=40)
    """Behind the number, or before it where it is a sign such as $; "year|years" gives singular and plural."""
    decimals: int | None = Field(None, ge=0, le=12)
    """Most decimals; a half is rounded up, zeros at the end are not written."""
    grouped: bool = False
    """Whether thousands are set off by commas."""

    @field_validator("decimals", mode="before")
    @classmethod
    def _no_truth(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value

    def write(self, value: Value, lang: str) -> str:
        """Return the text of a value; raises ValueError where the value does not fit the type."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            raise ValueError("a comparison is no value to write; use `a if b else c`")
        if self.type == "date":
            return write_date(value, lang)
        if self.type == "percent":
            value = CONTEXT.multiply(value, Decimal(100))
        if self.type == "int" and value != value.to_integral_value(context=CONTEXT):
            raise ValueError(f"{value:f} is not whole; use type: decimal, or round")
        try:
            rounded = round_half_up(value, Decimal(self._places()))
        except ArithmeticError:
            raise ValueError("the value has too many digits to write") from None
        return self._with_unit(rounded, lang)

    def _places(self) -> int:
        return self.decimals if self.decimals is not None else 0 if self.type == "int" else 2

    def _with_unit(self, value: Decimal, lang: str) -> str:
        sign, size = ("-" if value < 0 else ""), value.copy_abs()
        text = f"{size:,f}" if self.grouped else f"{size:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        unit = self.unit or {"percent": "%", "money": "元" if lang == "zh" else "$"}.get(self.type, "")
        one, _, many = unit.partition("|")
        unit = one if not many or size == 1 else many
        if unit in _PREFIXED:
            return f"{sign}{unit}{text}"
        close = not unit or is_cjk(unit[0]) or unit[0] in "%‰°℃℉" or (lang == "zh" and not unit[0].isalpha())
        return f"{sign}{text}{unit}" if close else f"{sign}{text} {unit}"


class Slot(Shape):
    """What can stand in a slot: a range of numbers or dates, or one of a list."""

    type: SlotType
    from_: Any = Field(None, alias="from")
    """Least value; for percent, in percent."""
    to: Any = None
    """Greatest value."""
    step: Any = None
    """Distance of the values; 1 for int, date (in days) and money."""
    of: tuple[str, ...] | dict[str, Decimal] | None = None
    """For choice and term: the texts, or texts with the number that each is worth in expressions."""

    @field_validator("of", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): number for key, number in value.items()}
        return tuple(str(item) for item in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> "Slot":
        if self.type in ("choice", "term"):
            if not self.of:
                raise ValueError(f"a {self.type} needs `of`: a list of texts")
            if self.from_ is not None or self.to is not None or self.step is not None:
                raise ValueError(f"a {self.type} has no from, to or step; list its texts under `of`")
            texts = list(self.of)
            if len(texts) > MOST_CHOICES:
                raise ValueError(f"`of` has {len(texts):,} texts; at most {MOST_CHOICES:,}")
            if len(set(texts)) < len(texts) or not all(text.strip() for text in texts):
                raise ValueError("`of` has a text twice, or an empty one; take it out")
            return self
        if self.of is not None:
            raise ValueError(f"`of` is for choice and term; a {self.type} has from, to and step")
        low, high, step = self.bounds()
        if low > high:
            raise ValueError(f"from {self.from_} is more than to {self.to}; swap them")
        if step <= 0:
            raise ValueError(f"step {self.step} is not above 0; raise it")
        return self

    def bounds(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the least and the greatest value and their distance; dates as days since the year 1."""
        if self.from_ is None or self.to is None:
            raise ValueError(f"a {self.type} needs `from` and `to`")
        step = self.step
        if step is None:
            if self.type in ("decimal", "percent"):
                raise ValueError(f"a {self.type} needs a `step`, such as 0.1")
            step = 1
        read = _read_date if self.type == "date" else _read_number
        low, high, distance = read(self.from_), read(self.to), _read_number(step)
        if self.type in ("int", "date") and any(v != v.to_integral_value() for v in (low, high, distance)):
            raise ValueError(f"from, to and step of a slot of type {self.type} are whole numbers")
        return low, high, distance

    def size(self) -> int:
        """Return how many values there are."""
        if self.of:
            return len(self.of)
        low, high, step = self.bounds()
        return int((high - low) // step) + 1

    def at(self, index: int, lang: str) -> Written:
        """Return value number `index`, from 0."""
        if self.of:
            text = list(self.of)[index]
            return Written(self.of[text] if isinstance(self.of, dict) else text, text)
        low, _, step = self.bounds()
        number = low + step * index
        value = CONTEXT.divide(number, Decimal(100)) if self.type == "percent" else number
        return Written(value, self.write(value, lang))

    def _places(self) -> int:
        if self.decimals is not None or self.type in ("int", "date"):
            return super()._places()
        low, _, step = self.bounds()
        return max(0, -int(low.normalize().as_tuple().exponent), -int(step.normalize().as_tuple().exponent))


def write_date(value: Decimal, lang: str) -> str:
    """Return a day, counted from the year 1, as 2024年3月5日 or 5 March 2024."""
    try:
        day = datetime.date.fromordinal(int(value))
    except (ValueError, OverflowError):
        raise ValueError(f"{value} is no day of the calendar") from None
    return f"{day.year}年{day.month}月{day.day}日" if lang == "zh" else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _read_number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is no number")
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise ValueError(f"{value!r} is no number") from None
    if not number.is_finite() or abs(number) > LARGEST or number.as_tuple().exponent < -12:
        raise ValueError(f"{value} is too large, or has too many decimals; write it in another unit")
    return number


def _read_date(value: Any) -> Decimal:
    if isinstance(value, str):
        try:
            value = datetime.date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no day; write it like 2024-03-05") from None
    if not isinstance(value, datetime.date):
        raise ValueError(f"{value!r} is no day; write it like 2024-03-05")
    return Decimal(datetime.date(value.year, value.month, value.day).toordinal())


def index_of(number: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return combination number `number` of as many things as there are sizes."""
    found = []
    for size in sizes:
        number, place = divmod(number, size)
        found.append(place)
    return tuple(found)
