"""What many offers come to: shares, characters saved, latencies, by day and by language. Pure; reads nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lsp_server.figures import percentile
from lsp_server.statistics.offer import Offer, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures of some offers; shares from 0 to 1, None where there was nothing to take a share of."""

    offered: int
    whole: int
    part: int
    typed: int
    accepted_characters: int
    saved_characters: int
    """Accepted, less a key for each accept."""
    kept_30_s: float | None
    """Of the accepted characters that were looked at again."""
    kept_5_min: float | None
    from_cache: float | None
    latency_p50_ms: float
    """Of the answers that the model gave."""
    latency_p90_ms: float
    latency_p99_ms: float

    @classmethod
    def of(cls, offers: Sequence[Offer]) -> Summary:
        latencies = [offer.latency_ms for offer in offers if not offer.from_cache]
        counts = {outcome: sum(offer.outcome is outcome for offer in offers) for outcome in Outcome}
        accepted = sum(offer.accepted_characters for offer in offers)
        return cls(
            offered=len(offers),
            whole=counts[Outcome.WHOLE],
            part=counts[Outcome.PART],
            typed=counts[Outcome.TYPED],
            accepted_characters=accepted,
            saved_characters=accepted - sum(offer.num_accepts for offer in offers),
            kept_30_s=_kept(offers, lambda offer: offer.kept_30_s),
            kept_5_min=_kept(offers, lambda offer: offer.kept_5_min),
            from_cache=sum(offer.from_cache for offer in offers) / len(offers) if offers else None,
            latency_p50_ms=percentile(latencies, 50),
            latency_p90_ms=percentile(latencies, 90),
            latency_p99_ms=percentile(latencies, 99),
        )

    @property
    def acceptance(self) -> float | None:
        """Accepted whole or in part, of all that were offered."""
        return (self.whole + self.part) / self.offered if self.offered else None


def by_day(offers: Iterable[Offer]) -> dict[str, Summary]:
    """In this machine's time zone, oldest first."""
    return _grouped(offers, lambda offer: datetime.fromtimestamp(offer.offered_at).strftime("%Y-%m-%d"))


def by_language(offers: Iterable[Offer]) -> dict[str, Summary]:
    """The language with the most offers first."""
    found = _grouped(offers, lambda offer: offer.language or "other")
    return dict(sorted(found.items(), key=lambda entry: -entry[1].offered))


def _grouped(offers: Iterable[Offer], name_of: Callable[[Offer], str]) -> dict[str, Summary]:
    groups: dict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        groups[name_of(offer)].append(offer)
    return {name: Summary.of(group) for name, group in groups.items()}


def _kept(offers: Iterable[Offer], kept_of: Callable[[Offer], int | None]) -> float | None:
    looked_at = [(offer.accepted_characters, kept) for offer in offers if (kept := kept_of(offer)) is not None]
    accepted = sum(characters for characters, _ in looked_at)
    return sum(kept for _, kept in looked_at) / accepted if accepted else None
