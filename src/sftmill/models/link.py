"""The link of one process to the keeper: messages out in batches, replies and news in.

While one batch is on its way the next one gathers, so that a busy process needs few round trips and an idle one
waits for none.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any, Protocol

from sftmill.errors import LedgerError, SftmillError
from sftmill.models.keeper import Heard, Message
from sftmill.models.ledger import Entry


class Transport(Protocol):
    """Carries messages to a keeper; every method raises LedgerError when the keeper cannot be reached."""

    async def open(self, session: str) -> None:
        """Begin a session."""

    async def take(self, session: str, messages: list[Message]) -> list[Heard]:
        """Hand messages over and return what there is to hear."""

    async def news(self, session: str) -> list[Heard]:
        """Wait for something to hear."""

    async def gone(self, session: str) -> Any:
        """End a session."""

    def look(self, key: bytes, n: int) -> list[Entry]:
        """Return answers at once, holding up everything else."""


class Link:
    """One session of a process; `start` it in the event loop that uses it."""

    def __init__(self, transport: Transport, session: str):
        self.transport = transport
        self.session = session
        self.stopped: SftmillError | None = None
        """Why nothing more may be sent."""
        self.on_stop: list[Callable[[SftmillError], None]] = []
        self.on_recall: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future] = {}
        self._queue: list[Message] = []
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Open the session."""
        await self.transport.open(self.session)
        self._listening = asyncio.create_task(self._listen())

    def tell(self, kind: str, *rest: Any) -> None:
        """Send a message that needs no reply."""
        self._send((kind, 0, *rest))

    async def ask(self, kind: str, *rest: Any) -> Any:
        """Send a message and wait for its reply; raises what the keeper replied, and LedgerError when it is gone."""
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._send((kind, number, *rest))
        try:
            return await reply
        except asyncio.CancelledError:
            self._replies.pop(number, None)
            self.tell("forget", number)
            raise

    async def flush(self) -> None:
        """Wait until all messages have been taken in."""
        while self._sending is not None:
            await asyncio.shield(self._sending)

    async def close(self) -> None:
        """End the session; what was told is taken in before."""
        with contextlib.suppress(SftmillError):
            await self.flush()
            self._closed = True
            await self.transport.gone(self.session)
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _send(self, message: Message) -> None:
        if self._closed:
            raise LedgerError("this session has ended; give the same command again to go on")
        self._queue.append(message)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                self._hear(await self.transport.take(self.session, batch))
        except SftmillError as error:
            self._broken(error)
        finally:
            self._sending = None

    async def _listen(self) -> None:
        try:
            while not self._closed:
                self._hear(await self.transport.news(self.session))
        except SftmillError as error:
            self._broken(error)

    def _hear(self, heard: list[Heard]) -> None:
        for number, value, error in heard:
            if number:
                reply = self._replies.pop(number, None)
                if reply is None or reply.done():
                    continue
                if error is None:
                    reply.set_result(value)
                else:
                    reply.set_exception(error)
            elif value == "stop":
                self._stop(error)
            elif value == "recall":
                for call in self.on_recall:
                    call()
            elif value == "gone":
                self._broken(LedgerError(f"the session {self.session} has ended"))

    def _stop(self, error: SftmillError) -> None:
        if self.stopped is None:
            self.stopped = error
            for call in self.on_stop:
                call(error)

    def _broken(self, error: SftmillError) -> None:
        """Tell everybody who waits that the keeper is gone."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            if not reply.done():
                reply.set_exception(error)
        self._stop(error)
