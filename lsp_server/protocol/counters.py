"""Counts of what was asked, offered and accepted in this editor window. Holds no code of the user."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field

_OFFERS_REMEMBERED = 1000


@dataclass(slots=True)
class Counters:
    """Owned by one connection; read through `parrotlet.status`."""

    requests: int = 0
    answered: int = 0
    """Requests that got at least one suggestion."""
    from_cache: int = 0
    cancelled: int = 0
    failed: int = 0
    offered: int = 0
    accepted: int = 0
    _open_offers: deque[str] = field(default_factory=lambda: deque(maxlen=_OFFERS_REMEMBERED))

    def offer(self) -> str:
        """A new item's id."""
        self.offered += 1
        item_id = str(self.offered)
        self._open_offers.append(item_id)
        return item_id

    def accept(self, item_id: object) -> bool:
        """Count an accepted item, each once; False for an id that is not on offer."""
        if item_id not in self._open_offers:
            return False
        self._open_offers.remove(str(item_id))
        self.accepted += 1
        return True

    def as_dict(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}
