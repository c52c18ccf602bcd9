"""What turns texts into vectors, as those see it who compare texts by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    #: One dimension, of length 1: the cosine of two is their dot product.
    Vector: TypeAlias = NDArray[np.float32]


class Embedder(Protocol):
    """name: of the model; vectors of two names cannot be compared.
    dimensions: of each vector, None where nobody knows before the first one.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int | None: ...

    def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        """One vector a text, None for a text with nothing in it. It waits, and lets the loop go on meanwhile.

        Raises Unavailable where it cannot be done now.
        """
