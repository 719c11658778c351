"""The budget: what a run has spent, and the hard stop before the call that could exceed its cap.

Before a call is sent, the most that it can cost is reserved; when it is answered, the reservation is settled with
what it did cost. Spent and reserved together never exceed the cap, so neither does what is spent.

Amounts of money are whole numbers inside (a millionth of a millionth of the cap's currency), so that sums are exact.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sftmill.errors import BudgetExhausted
from sftmill.models.ledger import Spent
from sftmill.models.settings import BudgetSettings, Price

_UNIT = 10**12
"""Units of money in one CNY or USD: a price of 0.01 per million tokens is still 10,000 units per token."""


@dataclass(slots=True)
class Reservation:
    """What is set aside for one call, until it is settled or released."""

    role: str
    prompt_tokens: int
    completion_tokens: int
    money: int
    open: bool = True

    @property
    def tokens(self) -> int:
        """Prompt and generated tokens together."""
        return self.prompt_tokens + self.completion_tokens


class _Rate:
    """Units of money per token of one role, rounded up so that a cap holds."""

    __slots__ = ("cached", "completion", "prompt", "second")

    def __init__(self, price: Price | None, settings: BudgetSettings):
        price = price or Price()
        exchange = 1.0
        if price.currency != settings.currency:
            exchange = settings.usd_to_cny if price.currency == "USD" else 1 / settings.usd_to_cny
        cached = price.prompt if price.cached_prompt is None else price.cached_prompt
        self.prompt = _units(price.prompt * exchange / 1e6)
        self.cached = _units(cached * exchange / 1e6)
        self.completion = _units(price.completion * exchange / 1e6)
        self.second = _units(price.gpu_hour * exchange / 3600)


def _units(money: float) -> int:
    # rounding first keeps the last digit of a float, 0.1 + 2e-17, from counting as a unit
    return math.ceil(round(money * _UNIT, 3))


class Budget:
    """Accounts for tokens and money, and holds back the call that could exceed a cap; for one event loop.

    `prices` has the price of each role; a role without one costs tokens but no money. `spent` is what earlier starts
    of the run have paid for (`Ledger.spent`), `seconds_before` how long they lasted (for prices per hour).
    `now` is a clock in seconds.

    Two limits to the promise, both the server's doing: an answer longer than what was asked for is recorded as it
    is, even beyond the cap; and rented hours go on while the last calls are answered.
    """

    def __init__(
        self,
        settings: BudgetSettings,
        prices: Mapping[str, Price | None],
        spent: Iterable[Spent] = (),
        *,
        seconds_before: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ):
        self.settings = settings
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.reserved_tokens = 0
        self.calls = 0
        """Calls settled since the start of this process."""
        self._rates = {role: _Rate(price, settings) for role, price in prices.items()}
        self._free = _Rate(None, settings)
        self._money = 0
        self._reserved_money = 0
        self._token_cap = settings.tokens
        self._money_cap = None if settings.money is None else math.floor(settings.money * _UNIT)
        self._capped = self._token_cap is not None or self._money_cap is not None
        self._second = sum(rate.second for rate in self._rates.values())
        self._now = now
        self._begin = now() - seconds_before
        self._waiting: deque[tuple[Reservation, asyncio.Future]] = deque()
        self._exhausted: str | None = None
        for past in spent:
            self._record(past.role, past.prompt_tokens, past.completion_tokens, past.cached_tokens)

    @property
    def spent_tokens(self) -> int:
        """Tokens paid for so far, by all starts of the run."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def spent_money(self) -> float:
        """Money spent so far, by all starts of the run, in the budget's currency; rented hours included."""
        return self._spent_units() / _UNIT

    @property
    def reserved_money(self) -> float:
        """The most that the calls in flight can still cost, in the budget's currency."""
        return self._reserved_money / _UNIT

    @property
    def exhausted(self) -> bool:
        """Whether a call was refused; from then on all are."""
        return self._exhausted is not None

    @property
    def waiting(self) -> int:
        """How many calls wait for others to be settled."""
        return sum(not future.done() for _, future in self._waiting)

    async def reserve(self, role: str, prompt_upper_tokens: int, completion_upper_tokens: int) -> Reservation:
        """Set aside the most that a call can cost: all of its prompt, and n x max_tokens.

        Waits, first come first served, while calls in flight hold what is needed. Raises BudgetExhausted when even
        their costing nothing would not leave enough, and at once ever after.
        """
        reservation = self._reservation(role, prompt_upper_tokens, completion_upper_tokens)
        if not self._capped:
            self.reserved_tokens += prompt_upper_tokens + completion_upper_tokens
            self._reserved_money += reservation.money
            return reservation
        self._refuse_if_beyond(reservation)
        if not self._waiting and self._fits(reservation):
            self._take(reservation)
            return reservation
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((reservation, future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(reservation)  # granted in the same moment
            else:
                self._serve()  # those behind may fit
            raise
        return reservation

    def settle(self, reservation: Reservation, prompt_tokens: int, completion_tokens: int, cached: int = 0) -> None:
        """Replace a reservation by what the call did cost; `cached` are those tokens of the prompt found in a cache.

        Raises ValueError for a reservation that was settled or released before.
        """
        if not reservation.open:
            raise ValueError("this reservation is settled or released already; reserve once per call")
        self._give_back(reservation)
        self._record(reservation.role, prompt_tokens, completion_tokens, cached)
        self.calls += 1
        if self._waiting:
            self._serve()

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back unspent, because nothing was answered; nothing happens if it is settled."""
        if reservation.open:
            self._give_back(reservation)
            if self._waiting:
                self._serve()

    def price(self, role: str, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Return what tokens of a role cost, in the budget's currency; rented hours are not in it."""
        rate = self._rates.get(role, self._free)
        return self._units_of(rate, prompt_tokens, completion_tokens, cached_tokens) / _UNIT

    def _reservation(self, role: str, prompt_tokens: int, completion_tokens: int) -> Reservation:
        rate = self._rates.get(role, self._free)
        money = prompt_tokens * max(rate.prompt, rate.cached) + completion_tokens * rate.completion
        return Reservation(role, prompt_tokens, completion_tokens, money)

    @staticmethod
    def _units_of(rate: _Rate, prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> int:
        whole = prompt_tokens - cached_tokens
        return whole * rate.prompt + cached_tokens * rate.cached + completion_tokens * rate.completion

    def _record(self, role: str, prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> None:
        rate = self._rates.get(role, self._free)
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cached_tokens += cached_tokens
        self._money += self._units_of(rate, prompt_tokens, completion_tokens, cached_tokens)

    def _take(self, reservation: Reservation) -> None:
        self.reserved_tokens += reservation.tokens
        self._reserved_money += reservation.money

    def _give_back(self, reservation: Reservation) -> None:
        reservation.open = False
        self.reserved_tokens -= reservation.prompt_tokens + reservation.completion_tokens
        self._reserved_money -= reservation.money

    def _spent_units(self) -> int:
        rented = math.ceil(self._second * (self._now() - self._begin)) if self._second else 0
        return self._money + rented

    def _fits(self, reservation: Reservation, reserved: bool = True) -> bool:
        """Tell whether there is room beside what is spent and, unless told otherwise, reserved."""
        tokens, money = (self.reserved_tokens, self._reserved_money) if reserved else (0, 0)
        if self._token_cap is not None and self.spent_tokens + tokens + reservation.tokens > self._token_cap:
            return False
        if self._money_cap is None:
            return True
        room = self._money_cap - self._spent_units()
        # once rented hours alone have used up the money, a call that itself costs nothing is too much as well
        return room >= 0 and money + reservation.money <= room

    def _refuse_if_beyond(self, reservation: Reservation) -> None:
        if self._exhausted is None and not self._fits(reservation, reserved=False):
            self._exhausted = self._explain(reservation)
            self._serve()
        if self._exhausted is not None:
            raise BudgetExhausted(self._exhausted)

    def _serve(self) -> None:
        """Grant what fits, in order; once the first in line can never fit, refuse all who wait."""
        while self._waiting:
            reservation, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if self._exhausted is None and not self._fits(reservation, reserved=False):
                self._exhausted = self._explain(reservation)
            if self._exhausted is not None:
                self._waiting.popleft()
                future.set_exception(BudgetExhausted(self._exhausted))
                continue
            if not self._fits(reservation):
                return
            self._waiting.popleft()
            self._take(reservation)
            future.set_result(None)

    def _explain(self, reservation: Reservation) -> str:
        said, settings = [], self.settings
        if self._token_cap is not None:
            said.append(
                f"{self.spent_tokens:,} of {self._token_cap:,} tokens are spent,"
                f" and the next call could take {reservation.tokens:,}"
            )
        if settings.money is not None:
            said.append(
                f"{self.spent_money:.4f} of {settings.money:g} {settings.currency} are spent,"
                f" and the next call could take {reservation.money / _UNIT:.4f}"
            )
        return (
            f"the budget is reached: {'; '.join(said)} (role {reservation.role!r}: prompt up to"
            f" {reservation.prompt_tokens:,} tokens, answers up to {reservation.completion_tokens:,});"
            " raise `budget:` in the recipe or lower `max_tokens`, then give the same command again"
        )
