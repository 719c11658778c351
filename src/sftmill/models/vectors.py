"""Vectors of texts: found in the file of vectors or in the ledger, else made, each text once per embedder.

What an embedder in this process computes goes to the file of vectors (`vectors_file`). What an endpoint answers is
paid for and goes to the ledger first, like any other answer, then to the file, from which it is read many times
faster. Where there is no folder for the file (a machine that shares a ledger kept elsewhere), the ledger does both.
"""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sftmill.errors import ModelError, RecipeError, StorageError
from sftmill.models.client import Payload, embedding_vectors
from sftmill.models.ledger import Entry, request_key
from sftmill.models.roles import Role, estimate, upper_tokens
from sftmill.models.vectors_file import Keys, VectorFile, hash_texts

if TYPE_CHECKING:
    from sftmill.models.desk import Models, RowDesk

BATCH_TEXTS, BATCH_BYTES = 64, 200_000
"""Most texts, and about the most bytes, sent in one request for vectors."""
CHUNK = 8_192
"""Texts that are looked up and sent together."""
FEW = 64
"""Texts up to which looking them up takes less than handing that to another thread."""


class Computing(Protocol):
    """A provider that makes vectors in this process; texts of one call need not wait for a request of their own."""

    tells_passages: bool
    """Whether it makes another vector of a text that is searched than of one that searches."""
    at_once: int
    """Texts after which others get their turn, and after which what was made is kept."""

    async def compute(self, texts: list[str], passages: bool) -> tuple[np.ndarray, int]:
        """Return the vectors of texts, n x d in float32, and how many characters were read."""


class _InMemory:
    """Stands for the file of vectors during one call, where there is none."""

    def __init__(self) -> None:
        self.numbers: int | None = None
        self._made: dict[bytes, int] = {}
        self._kept: list[np.ndarray] = []

    def find(self, keys: Keys) -> np.ndarray:
        """Return the place of each key's vector, -1 where there is none."""
        return np.array([self._made.get(key.tobytes(), -1) for key in keys], np.int64)

    def read(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors at some places; all are sound."""
        return np.stack([self._kept[place] for place in places.tolist()]), np.ones(len(places), bool)

    def append(self, keys: Keys, vectors: np.ndarray, anew: bool = False) -> None:
        """Keep vectors; raises RecipeError for those of another length."""
        self.numbers = self.numbers or vectors.shape[1]
        if vectors.shape[1] != self.numbers:
            raise RecipeError(
                f"one model gave vectors of {self.numbers} and of {vectors.shape[1]} numbers; use another"
            )
        for key, vector in zip(keys, vectors, strict=True):
            self._made.setdefault(key.tobytes(), len(self._kept))
            self._kept.append(vector)


class Vectors:
    """The vectors of all roles of a run."""

    def __init__(self, ledger: Any):
        path = getattr(ledger, "path", None)
        self.folder: Path | None = Path(path).with_suffix(".vectors") if path else None
        """Where the files of vectors are; None = nowhere."""
        self.flying: dict[tuple[str, bytes], asyncio.Future] = {}
        """Texts that are being made, by role and key."""
        self._files: dict[str, VectorFile] = {}

    def file(self, role: Role) -> VectorFile | None:
        """Return the file of a role's embedder: what decides a vector beside its text names it."""
        if self.folder is None:
            return None
        name = request_key("embed", role.model, role.revision, None, None, None, role.settings.extra_body).hex()
        if name not in self._files:
            about = {"model": role.model, "revision": role.revision}
            self._files[name] = VectorFile(self.folder / name, about)
        return self._files[name]


async def vectors(
    models: "Models", desk: "RowDesk", texts: Sequence[str], to: str, as_passages: bool = False
) -> np.ndarray:
    """Return unit vectors, n x d in float32, in the order of the texts; each text is made, and paid for, once."""
    role = models.role(to)
    role.refuse_leak(desk.row)
    work = _Work(models, desk, role, as_passages)
    made: np.ndarray | None = None
    for start in range(0, len(texts), CHUNK):
        part = await work.chunk(list(texts[start : start + CHUNK]))
        if len(part) == len(texts):
            return part
        if made is None:
            made = np.empty((len(texts), part.shape[1]), np.float32)
        made[start : start + len(part)] = part
    return np.zeros((0, 1), np.float32) if made is None else made


class _Work:
    """One call for vectors."""

    def __init__(self, models: "Models", desk: "RowDesk", role: Role, as_passages: bool):
        self.models, self.desk, self.role = models, desk, role
        provider = role.lanes.lanes[0].provider
        self.computing: Computing | None = provider if hasattr(provider, "compute") else None
        self.as_passages = as_passages and self.computing is not None and self.computing.tells_passages
        self.side = "passage" if self.as_passages else ""
        file = models.vectors.file(role)
        self.file: VectorFile | _InMemory = file if file is not None else _InMemory()
        self.by_ledger = self.computing is None or file is None

    async def chunk(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of some texts."""
        keys = await _aside(len(texts), hash_texts, texts, self.side)
        places = await _aside(len(texts), self.file.find, keys)
        self.role.from_ledger += int((places >= 0).sum())
        while (missing := np.flatnonzero(places < 0)).size:
            await self._make(missing, keys, texts)
            places = await _aside(len(texts), self.file.find, keys)
        made, sound = await _aside(len(texts), self.file.read, places)
        if not sound.all():  # damaged on disk
            broken = np.flatnonzero(~sound)
            await self._make(broken, keys, texts, anew=True)
            made, sound = await _aside(len(texts), self.file.read, await _aside(len(texts), self.file.find, keys))
            if not sound.all():
                raise StorageError(
                    f"vectors written to {self.models.vectors.folder} come back damaged; check the health of its disk"
                )
        return made

    async def _make(self, places: np.ndarray, keys: Keys, texts: list[str], anew: bool = False) -> None:
        """Have the vectors of some of the texts in the file, or wait until another row's call has ended that makes them."""
        which: dict[tuple[str, bytes], int] = {}
        for place in places.tolist():
            which.setdefault((self.role.name, keys[place].tobytes()), place)
        flying = self.models.vectors.flying
        others = {flying[key] for key in which if key in flying}
        own = {key: place for key, place in which.items() if key not in flying}
        done = asyncio.get_running_loop().create_future()
        flying |= dict.fromkeys(own, done)
        try:
            await self._make_own(list(own.values()), keys, texts, anew)
        finally:
            for key in own:
                del flying[key]
            done.set_result(None)
        if others:
            await asyncio.wait(others)

    async def _make_own(self, wanted: list[int], keys: Keys, texts: list[str], anew: bool) -> None:
        """Have the vectors of different texts in the file, which nobody else makes."""
        if self.by_ledger:
            wanted = await self._from_ledger(wanted, keys, texts, anew)
        if self.computing is not None:
            size = self.computing.at_once
            for start in range(0, len(wanted), size):
                await self._compute(wanted[start : start + size], keys, texts, anew)
            return
        parts = [self._ask(part, keys, texts, anew) for part in _batches(wanted, texts)]
        for answer in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    def _ledger_key(self, text: str) -> bytes:
        side = {"schema": self.side} if self.side else {}
        extra = self.role.settings.extra_body
        return request_key("embed", self.role.model, self.role.revision, text, None, extra=extra, **side)

    async def _from_ledger(self, wanted: list[int], keys: Keys, texts: list[str], anew: bool) -> list[int]:
        """Take over what the ledger has; return the places of the others."""
        found: list[np.ndarray] = []
        at: list[int] = []
        for number, place in enumerate(wanted):
            if entries := self.models.ledger.get(self._ledger_key(texts[place]), 1):
                found.append(np.frombuffer(base64.b64decode(entries[0].text), np.float32))
                at.append(place)
            if number % 512 == 511:
                await asyncio.sleep(0)
        if not found:
            return wanted
        if len({len(one) for one in found}) > 1:
            raise RecipeError(
                f"role {self.role.name!r}: the ledger has vectors of different lengths of {self.role.model!r}: it was "
                "another model once; give the role another `revision`"
            )
        self.role.from_ledger += len(at)
        await _aside(len(at), self.file.append, keys[at], np.stack(found), anew)
        known = set(at)
        return [place for place in wanted if place not in known]

    async def _compute(self, places: list[int], keys: Keys, texts: list[str], anew: bool) -> None:
        """Make vectors in this process and keep them."""
        role, models = self.role, self.models
        if role.lanes.stopped is not None:
            raise role.lanes.stopped
        part = [texts[place] for place in places]
        reservation = await models.budget.reserve(role.name, sum(map(len, part)) + 1, 0)
        try:
            made, read = await self.computing.compute(part, self.as_passages)
            spent = max(1, read)
            models.budget.settle(reservation, spent, 0)
            role.count(spent, 0)
            made = _unit(made, role)
            if not self.by_ledger:  # the vectors are kept before they are accounted for, together
                await _aside(len(part), self.file.append, keys[places], made, anew)
                together = request_key("embedded", role.model, role.revision, keys[places].tobytes().hex())
                await self._account([together], [""], spent)
                return
        finally:
            models.budget.release(reservation)
        await self._keep(places, keys, texts, made, spent, anew)

    async def _ask(self, places: list[int], keys: Keys, texts: list[str], anew: bool) -> None:
        """Ask an endpoint for vectors and keep them."""
        role, models = self.role, self.models
        part = [texts[place] for place in places]
        upper = sum(upper_tokens("embed", text) for text in part)
        body: Payload = {"model": role.model, "input": part, "encoding_format": "float", **role.settings.extra_body}
        reservation = await models.budget.reserve(role.name, upper, 0)
        permit = None
        try:
            payload, found, permit = await role.send(
                "/embeddings",
                body,
                lambda payload: embedding_vectors(payload, len(part)),
                part[0][:512],
                f"{self.desk.step_name} embed {len(part)}",
                estimate(upper),
            )
            usage = payload.get("usage")
            spent = int(usage.get("prompt_tokens") or 0) if isinstance(usage, dict) else 0
            spent = spent or sum(estimate(upper_tokens("embed", text)) for text in part)
            role.lanes.replied(permit, 0, spent)
            models.budget.settle(reservation, spent, 0)
            role.count(spent, 0)
            if len({len(one) for one in found}) > 1:
                raise RecipeError(f"role {role.name!r}: its vectors have different lengths; name another model")
            made = np.frombuffer(b"".join(one.tobytes() for one in found), np.float32).reshape(len(part), -1)
            await self._keep(places, keys, texts, made, spent, anew)
        finally:
            models.budget.release(reservation)
            if permit is not None:
                role.lanes.release(permit)

    async def _keep(
        self, places: list[int], keys: Keys, texts: list[str], made: np.ndarray, spent: int, anew: bool
    ) -> None:
        """Keep vectors in the ledger, because they are paid for, then in the file."""
        encoded = [base64.b64encode(vector.tobytes()).decode() for vector in made]
        await self._account([self._ledger_key(texts[place]) for place in places], encoded, spent)
        await _aside(len(places), self.file.append, keys[places], made, anew)

    async def _account(self, keys: list[bytes], said: list[str], spent: int) -> None:
        """Put answers into the ledger, each with its share of what was spent."""
        entries = []
        for i, (key, text) in enumerate(zip(keys, said, strict=True)):
            share = spent // len(keys) + (1 if i < spent % len(keys) else 0)
            entries.append(
                Entry(key, 0, text, None, "stop", share, 0, None, self.role.model, self.role.name, self.desk.run_id)
            )
        await self.models.ledger.put(entries)


def _batches(places: list[int], texts: list[str]) -> list[list[int]]:
    batches: list[list[int]] = []
    size = 0
    for place in places:
        size += 4 * len(texts[place])
        if not batches or len(batches[-1]) >= BATCH_TEXTS or size > BATCH_BYTES:
            batches.append([])
            size = 4 * len(texts[place])
        batches[-1].append(place)
    return batches


def _unit(made: np.ndarray, role: Role) -> np.ndarray:
    """Return vectors of length 1; raises ModelError where one cannot have it."""
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ModelError(
            f"role {role.name!r}: {role.model} gave a vector that is zero or not finite; use another model"
        )
    return np.asarray(made / lengths, np.float32)


async def _aside(count: int, work: Any, *given: Any) -> Any:
    """Do some work, in another thread where there is much of it."""
    return work(*given) if count <= FEW else await asyncio.to_thread(work, *given)
