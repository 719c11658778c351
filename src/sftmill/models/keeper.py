"""The keeper: one ledger, one budget and one limiter for all processes of a run that spreads over machines.

Every process has a session here. It sends messages in batches and hears the replies when they are there: what it may
send to an endpoint, what has been answered already, that an answer is safe. What a session holds (places at an
endpoint, a lease of the budget, claims to questions) falls back when its process is gone.

The keeper knows nothing of how messages travel. It belongs to one event loop, like the ledger.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from sftmill.errors import LedgerError, SftmillError
from sftmill.models.lane import Permit
from sftmill.models.lease import LeasedBudget
from sftmill.models.ledger import Entry, Ledger
from sftmill.models.limits import Lanes
from sftmill.models.roles import Meter

POLL_SECONDS = 20.0
"""How long a session's question for news waits when there are none."""
FIGURES = ("calls", "from_ledger", "retries", "prompt_tokens", "completion_tokens")
"""What sessions report of each role, as differences since their last report."""

Message = tuple[Any, ...]
"""(kind, number, ...): a request has a number, by which its reply is known; 0 is a message without reply."""
Heard = tuple[int, Any, Any]
"""(number, value, error) for a reply; (0, kind, value) for news that nobody asked for."""


class Named(NamedTuple):
    """Stands for a provider that the sessions have: only its name counts here."""

    name: str


class Session:
    """What one process of the run holds."""

    def __init__(self, name: str, place: str):
        self.name = name
        self.place = place
        """The machine that it runs on, as the engine names it."""
        self.outbox: list[Heard] = []
        self.heard = asyncio.Event()
        self.permits: dict[int, tuple[str, Permit]] = {}
        self.claims: set[bytes] = set()
        self.waits: dict[int, asyncio.Task[None]] = {}
        self.marks: dict[Any, None] = {}
        """What is under way that could end the process, as the engine names it; in order of beginning."""
        self.progress: Any = None

    def post(self, heard: Heard) -> None:
        """Put something into the outbox."""
        self.outbox.append(heard)
        self.heard.set()


class Keeper:
    """Serves the sessions of a run; see the module."""

    def __init__(self, ledger: Ledger, budget: LeasedBudget):
        self.ledger = ledger
        self.budget = budget
        self.lanes: dict[str, Lanes] = {}
        self.sessions: dict[str, Session] = {}
        self.stopped: SftmillError | None = None
        self._claimed: dict[bytes, deque[Callable[[], None]]] = {}
        self._figures: dict[str, dict[str, int]] = {}
        self._meters: dict[str, Meter] = {}
        self._permits = 0
        self._recalled = False

    # Sessions ------------------------------------------------------------------------------------

    def open(self, name: str, place: str = "") -> None:
        """Begin a session."""
        session = self.sessions[name] = Session(name, place)
        if self._recalled:
            session.post((0, "recall", None))
        if self.stopped is not None:
            session.post((0, "stop", self.stopped))

    def take(self, name: str, messages: list[Message]) -> list[Heard]:
        """Take in a session's messages, in order, and return what there is for it to hear.

        Raises LedgerError for a session that has ended: what counts as gone must not go on. Its answers are kept all
        the same, because they are paid for.
        """
        session = self.sessions.get(name)
        if session is None:
            for kind, _, *rest in messages:
                if kind == "put":
                    keep = asyncio.ensure_future(self.ledger.put(rest[0]))
                    keep.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise LedgerError(f"the session {name} has ended; its work was given to another process")
        for kind, number, *rest in messages:
            try:
                reply = getattr(self, "_" + kind)(session, number, *rest)
            except SftmillError as error:
                session.post((number, None, error))
            else:
                if number and reply is not WAIT:
                    session.post((number, reply, None))
        return self._emptied(session)

    async def news(self, name: str) -> list[Heard]:
        """Return what a session should hear, as soon as there is something, or nothing after a while."""
        session = self.sessions.get(name)
        if session is None:
            return [(0, "gone", None)]
        if not session.outbox:
            session.heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await session.heard.wait()
        return self._emptied(session)

    @staticmethod
    def _emptied(session: Session) -> list[Heard]:
        heard, session.outbox = session.outbox, []
        return heard

    def gone(self, name: str) -> tuple[str, list[Any]]:
        """End a session and take back all that it held; return its place and what was under way."""
        session = self.sessions.pop(name, None)
        if session is None:
            return "", []
        for wait in session.waits.values():
            wait.cancel()
        for role, permit in session.permits.values():
            self.lanes[role].cancelled(permit)
            self.lanes[role].release(permit)
        for key in list(session.claims):
            self._unclaim(session, 0, key)
        self.budget.end(name)
        session.post((0, "gone", None))
        return session.place, list(session.marks)

    def stop(self, error: SftmillError) -> None:
        """Let nothing more be sent; all sessions hear of it."""
        if self.stopped is None:
            self.stopped = error
            for lanes in self.lanes.values():
                lanes.stop(error)
            for session in self.sessions.values():
                session.post((0, "stop", error))

    def look(self, key: bytes, n: int) -> list[Entry]:
        """Return the answers that there are to a request."""
        return self.ledger.get(key, n)

    def state(self) -> dict[str, Any]:
        """Return how the run stands: roles, budget and the progress of every session."""
        return {
            "roles": {name: self._role_state(name) for name in self.lanes},
            "budget": self.budget.figures(),
            "progress": {name: s.progress for name, s in self.sessions.items() if s.progress is not None},
        }

    def _role_state(self, name: str) -> dict[str, Any]:
        lanes = self.lanes[name]
        figures = self._figures[name]
        return {
            "in_flight": lanes.in_flight,
            "limit": lanes.limit,
            "calls": figures["calls"],
            "from_ledger": figures["from_ledger"],
            "prompt_tokens": figures["prompt_tokens"],
            "completion_tokens": figures["completion_tokens"],
            "overloads": lanes.overloads,
            "retries": figures["retries"],
            "tokens_per_second": self._meters[name].rate,
            "paused": lanes.paused,
        }

    def close(self) -> None:
        """End all sessions and write what the ledger still has to write."""
        for name in list(self.sessions):
            self.gone(name)
        for lanes in self.lanes.values():
            lanes.close()
        self.ledger.close()

    # Waiting -------------------------------------------------------------------------------------

    def _later(self, session: Session, number: int, work: Any) -> Any:
        """Reply when a coroutine has come to its end."""

        async def wait() -> None:
            try:
                value = await work
            except SftmillError as error:
                session.post((number, None, error))
            else:
                session.post((number, value, None))
            finally:
                session.waits.pop(number, None)

        session.waits[number] = asyncio.ensure_future(wait())
        return WAIT

    def _forget(self, session: Session, _: int, number: int) -> None:
        """Give up a request whose asker waits no more."""
        if (wait := session.waits.get(number)) is not None:
            wait.cancel()

    # The ledger ----------------------------------------------------------------------------------

    def _claim(self, session: Session, number: int, key: bytes, wanted: int, samples: tuple[int, ...]) -> Any:
        """Reply with the answers there are; where some are missing, the session is the one to ask for them.

        When another session is asking for them already, the reply waits until it is done.
        """
        found = self.ledger.get(key, wanted)
        have = {entry.sample for entry in found}
        if have.issuperset(samples):
            return found
        waiting = self._claimed.get(key)
        if waiting is None:
            self._claimed[key] = deque()
            session.claims.add(key)
            return found

        def again() -> None:
            if session.name not in self.sessions:
                return
            reply = self._claim(session, number, key, wanted, samples)
            if reply is not WAIT:
                session.post((number, reply, None))

        waiting.append(again)
        return WAIT

    def _unclaim(self, session: Session, _: int, key: bytes) -> None:
        """Let others ask what this session has asked, or has given up."""
        if key not in session.claims:
            return
        session.claims.discard(key)
        for again in self._claimed.pop(key):
            again()

    def _put(self, session: Session, number: int, entries: list[Entry]) -> Any:
        """Keep answers; the reply says that they survive."""
        # shielded by being its own task: a session that ends in this moment has paid for them
        kept = asyncio.ensure_future(self.ledger.put(entries))
        kept.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._later(session, number, asyncio.shield(kept))

    # The budget ----------------------------------------------------------------------------------

    def _lease(self, session: Session, number: int, role: str, prompt: int, completion: int) -> Any:
        """Reply with what is leased beyond the call itself, as (tokens, money)."""
        return self._later(session, number, self._leased(session, role, prompt, completion))

    async def _leased(self, session: Session, role: str, prompt: int, completion: int) -> tuple[int, int]:
        # looked at only now: of the requests of one batch, each must see what those before it were given
        if self.budget.scarce(role, prompt, completion) and not self._recalled:
            self._recalled = True
            for other in self.sessions.values():
                other.post((0, "recall", None))
        return await self.budget.lease(session.name, role, prompt, completion, len(self.sessions))

    def _spent(self, session: Session, _: int, role: str, used: tuple[int, int, int], tokens: int, money: int) -> None:
        """Record what a call has cost; the lease lessens by `tokens` and `money`."""
        self.budget.spend(session.name, role, *used, tokens, money)

    def _back(self, session: Session, _: int, tokens: int, money: int) -> None:
        """Take back what a session has leased and does not need."""
        self.budget.give_back(session.name, tokens, money)

    # The limiter ---------------------------------------------------------------------------------

    def _role(self, session: Session, _: int, role: str, names: tuple[str, ...], settings: dict[str, Any]) -> None:
        """Make the lanes of a role, unless another session has done so."""
        if role not in self.lanes:
            lanes = self.lanes[role] = Lanes([Named(name) for name in names], role=role, **settings)
            self._figures[role] = dict.fromkeys(FIGURES, 0)
            self._meters[role] = Meter()
            if self.stopped is not None:
                lanes.stop(self.stopped)

    def _permit(
        self, session: Session, number: int, role: str, affinity: str, kind: str, tokens: int, retry: bool
    ) -> Any:
        """Reply with (number of the permit, number of the lane) once one more request may be sent."""
        lanes = self.lanes[role]
        if not retry and (permit := lanes.try_acquire(affinity, kind, tokens)) is not None:
            return self._granted(session, role, permit)
        return self._later(session, number, self._wait_for_permit(session, role, affinity, kind, tokens, retry))

    async def _wait_for_permit(self, session: Session, role: str, *asked: Any) -> tuple[int, int]:
        *asked, retry = asked
        return self._granted(session, role, await self.lanes[role].acquire(*asked, retry=retry))

    def _granted(self, session: Session, role: str, permit: Permit) -> tuple[int, int]:
        self._permits += 1
        session.permits[self._permits] = role, permit
        return self._permits, permit.lane.number

    def _replied(self, session: Session, _: int, number: int, completion: int, tokens: int, took: float) -> None:
        """Note that a request was answered after `took` seconds, as the session measured them."""
        role, permit = session.permits[number]
        permit.flight.started = time.monotonic() - took
        self.lanes[role].replied(permit, completion, tokens)

    def _failed(self, session: Session, _: int, number: int, error: Any, call: str) -> str | None:
        """Note that a request was not answered; reply with why its lane cannot be used, if so."""
        role, permit = session.permits[number]
        self.lanes[role].failed(permit, error, call)
        if self.lanes[role].stopped is not None:
            raise self.lanes[role].stopped
        return permit.lane.down

    def _cancelled(self, session: Session, _: int, number: int) -> None:
        """Note that a request was given up."""
        role, permit = session.permits[number]
        self.lanes[role].cancelled(permit)

    def _release(self, session: Session, _: int, number: int) -> None:
        """Take a place back."""
        role, permit = session.permits.pop(number)
        self.lanes[role].release(permit)

    # What the engine wants to know ---------------------------------------------------------------

    def _begin(self, session: Session, _: int, mark: Any) -> None:
        """Note something that could end the process; once this is replied to, it is known even then."""
        session.marks[mark] = None

    def _end(self, session: Session, _: int, mark: Any) -> None:
        """Note that it did not."""
        session.marks.pop(mark, None)

    def _report(self, session: Session, _: int, figures: dict[str, dict[str, int]], progress: Any) -> None:
        """Take in what a session has done since its last report, and how it stands."""
        if progress is not None:
            session.progress = progress
        for role, since in figures.items():
            for name, number in since.items():
                self._figures[role][name] += number
            if more := since.get("completion_tokens"):
                self._meters[role].add(more)

    def _stop(self, session: Session, _: int, error: SftmillError) -> None:
        """Stop everything, because the session that drives the run says so."""
        self.stop(error)


WAIT = object()
"""What a message's method returns when its reply comes later."""
