"""Admitting rows one after the other, those alone that are unlike all admitted before."""

import numpy as np

from sftmill.errors import RecipeError

BLOCK = 1024
"""Vectors that are compared with as many others at a time."""


class Admitted:
    """The vectors of the rows admitted so far, at most `budget`; a row is like another above the cosine `alike`."""

    def __init__(self, budget: int, alike: float):
        self.budget, self.alike = budget, alike
        self.places: list[int] = []
        """Places of the rows admitted, in the order in which they were."""
        self._vectors = np.zeros((0, 0), np.float32)

    @property
    def full(self) -> bool:
        """Tell whether the budget is used up."""
        return len(self.places) >= self.budget

    def offer(self, places: list[int], vectors: np.ndarray) -> dict[int, tuple[int, float]]:
        """Admit rows in their order until the budget is used up; `vectors` are unit vectors, n x d.

        Returns for each row that is refused the place of the nearest row admitted before it, and the cosine.
        """
        if self.places and self._vectors.shape[1] != vectors.shape[1]:
            raise RecipeError(
                f"deita_select: vectors of {self._vectors.shape[1]} and of {vectors.shape[1]} numbers; name another model"
            )
        refused: dict[int, tuple[int, float]] = {}
        for start in range(0, len(places), BLOCK):
            self._offer(places[start : start + BLOCK], vectors[start : start + BLOCK], refused)
        return refused

    def _offer(self, places: list[int], vectors: np.ndarray, refused: dict[int, tuple[int, float]]) -> None:
        nearest = np.full(len(places), -1, np.int64)
        cosine = np.full(len(places), -2.0, np.float32)
        for begin in range(0, len(self.places), BLOCK):
            products = vectors @ self._vectors[begin : min(begin + BLOCK, len(self.places))].T
            best = products.argmax(axis=1)
            value = products[np.arange(len(places)), best]
            nearer = value > cosine
            nearest[nearer], cosine[nearer] = best[nearer] + begin, value[nearer]
        inner = vectors @ vectors.T
        fresh: list[int] = []
        for number, place in enumerate(places):
            if self.full:
                break
            near, value = int(nearest[number]), float(cosine[number])
            if fresh:
                found = inner[number, fresh]
                best = int(found.argmax())
                if found[best] > value:
                    near, value = len(self.places) - len(fresh) + best, float(found[best])
            if value > self.alike:
                refused[place] = (self.places[near], value)
            else:
                fresh.append(number)
                self.places.append(place)
        self._keep(vectors[fresh])

    def _keep(self, fresh: np.ndarray) -> None:
        if not len(fresh):
            return
        size = len(self.places)
        if size > len(self._vectors):
            grown = np.empty((min(self.budget, max(2 * size, BLOCK)), fresh.shape[1]), np.float32)
            grown[: size - len(fresh)] = self._vectors[: size - len(fresh)] if len(self._vectors) else 0
            self._vectors = grown
        self._vectors[size - len(fresh) : size] = fresh
