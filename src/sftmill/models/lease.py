"""A budget for several processes: each leases a little more than its next call can cost, and gives back the rest.

What is leased counts as reserved, so that spent and leased together never exceed the cap. Once a call does not fit
beside what is leased, all leases that are not in use are called back, and from then on each call is asked for alone.
"""

from sftmill.models.budget import Budget, Reservation

CALLS_AHEAD = 32
"""How many calls of the same size a lease holds beyond the one it was asked for, where the cap is far."""


class LeasedBudget(Budget):
    """Keeps the account of all sessions of a run."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self._leases: dict[str, list[int]] = {}
        self._scarce = False

    def scarce(self, role: str, prompt: int, completion: int) -> bool:
        """Tell whether a call does not fit beside what is leased; once so, leases hold no more than their calls."""
        if self._capped and not self._scarce:
            self._scarce = bool(self._waiting) or not self._fits(self._reservation(role, prompt, completion))
        return self._scarce

    async def lease(self, session: str, role: str, prompt: int, completion: int, sessions: int) -> tuple[int, int]:
        """Reserve the most that a call can cost, and more where there is plenty; return (tokens, units of money) beyond.

        Raises BudgetExhausted like `reserve`.
        """
        reservation = await self.reserve(role, prompt, completion)
        tokens, money = self._beyond(reservation, sessions)
        self.reserved_tokens += tokens
        self._reserved_money += money
        lease = self._leases.setdefault(session, [0, 0])
        lease[0] += reservation.tokens + tokens
        lease[1] += reservation.money + money
        reservation.open = False
        return tokens, money

    def _beyond(self, reservation: Reservation, sessions: int) -> tuple[int, int]:
        """Return what to lease beyond a call: for some more like it, at most half of this session's share of the rest."""
        if self._scarce or not self._capped:
            return 0, 0
        calls = CALLS_AHEAD
        share = 2 * max(sessions, 1)
        if self._token_cap is not None and reservation.tokens:
            calls = min(
                calls, (self._token_cap - self.spent_tokens - self.reserved_tokens) // share // reservation.tokens
            )
        if self._money_cap is not None and reservation.money:
            room = self._money_cap - self._spent_units() - self._reserved_money
            calls = min(calls, room // share // reservation.money)
        return max(calls, 0) * reservation.tokens, max(calls, 0) * reservation.money

    def spend(
        self, session: str, role: str, prompt: int, completion: int, cached: int, tokens: int, money: int
    ) -> None:
        """Record what a call has cost and lessen the session's lease by `tokens` and `money`."""
        self._lessen(session, tokens, money)
        self._record(role, prompt, completion, cached)
        self.calls += 1
        if self._waiting:
            self._serve()

    def give_back(self, session: str, tokens: int, money: int) -> None:
        """Lessen a session's lease by what it does not need."""
        self._lessen(session, tokens, money)
        if self._waiting:
            self._serve()

    def _lessen(self, session: str, tokens: int, money: int) -> None:
        if (lease := self._leases.get(session)) is None:
            return
        # no session can free what another one holds
        tokens, money = min(tokens, lease[0]), min(money, lease[1])
        lease[0] -= tokens
        lease[1] -= money
        self.reserved_tokens -= tokens
        self._reserved_money -= money

    def end(self, session: str) -> None:
        """Take back all that a session has leased."""
        if (lease := self._leases.get(session)) is not None:
            self.give_back(session, *lease)
            del self._leases[session]

    def figures(self) -> tuple[int, int, int, int]:
        """Return the account: prompt, generated and cached tokens, and units of money without rented hours."""
        return self.prompt_tokens, self.completion_tokens, self.cached_tokens, self._money
