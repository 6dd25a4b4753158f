"""Parcels of a small courier: weights, zones, prices, and which van takes what."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ZONES = {"city": 3.5, "county": 6.0, "country": 11.0}
HEAVY_KG = 20.0
SURCHARGE = 4.25


class UnknownZoneError(ValueError):
    """A parcel is addressed to a zone that nobody drives to."""

    def __init__(self, zone: str) -> None:
        known = ", ".join(sorted(ZONES))
        super().__init__(f"no van goes to {zone!r}: choose one of {known}")
        self.zone = zone


@dataclass(frozen=True)
class Parcel:
    """One parcel on its way to one customer."""

    number: int
    zone: str
    weight_kg: float
    fragile: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_heavy(self) -> bool:
        return self.weight_kg > HEAVY_KG

    def price(self) -> float:
        """What the customer pays, with all surcharges."""
        if self.zone not in ZONES:
            raise UnknownZoneError(self.zone)
        price = ZONES[self.zone] + 0.4 * self.weight_kg
        if self.is_heavy:
            price += SURCHARGE
        if self.fragile:
            price *= 1.1
        return round(price, 2)


@dataclass
class Van:
    """A van, and the parcels that were loaded so far."""

    name: str
    capacity_kg: float
    parcels: list[Parcel] = field(default_factory=list)

    @property
    def load_kg(self) -> float:
        return sum(parcel.weight_kg for parcel in self.parcels)

    @property
    def free_kg(self) -> float:
        return self.capacity_kg - self.load_kg

    def takes(self, parcel: Parcel) -> bool:
        """Whether there is room left, and no glass under a heavy crate."""
        if parcel.weight_kg > self.free_kg:
            return False
        if parcel.fragile and any(other.is_heavy for other in self.parcels):
            return False
        return not (parcel.is_heavy and any(other.fragile for other in self.parcels))

    def load(self, parcel: Parcel) -> None:
        if not self.takes(parcel):
            raise ValueError(f"parcel {parcel.number} does not fit into {self.name}")
        self.parcels.append(parcel)


def read_parcels(path: Path) -> list[Parcel]:
    """Parcels of a CSV file with a header."""
    parcels = []
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            parcel = Parcel(
                number=int(row["number"]),
                zone=row["zone"],
                weight_kg=float(row["weight_kg"]),
                fragile=row.get("fragile", "no") == "yes",
            )
            parcels.append(parcel)
    return parcels


def assign(parcels: list[Parcel], vans: list[Van]) -> list[Parcel]:
    """Load the heaviest parcels first; returns those that are left behind."""
    left_behind = []
    for parcel in sorted(parcels, key=lambda each: each.weight_kg, reverse=True):
        fitting = [van for van in vans if van.takes(parcel)]
        if not fitting:
            left_behind.append(parcel)
            continue
        best = min(fitting, key=lambda van: van.free_kg)
        best.load(parcel)
    return left_behind


def revenue_by_zone(parcels: list[Parcel]) -> dict[str, float]:
    """Prices of all parcels, summed for each zone."""
    totals: defaultdict[str, float] = defaultdict(float)
    for parcel in parcels:
        totals[parcel.zone] += parcel.price()
    return dict(totals)


def write_report(path: Path, vans: list[Van], left_behind: list[Parcel]) -> None:
    report = {
        "vans": {van.name: [parcel.number for parcel in van.parcels] for van in vans},
        "left_behind": [parcel.number for parcel in left_behind],
        "load_kg": sum(van.load_kg for van in vans),
    }
    with path.open("w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)
        stream.write("\n")


def main() -> None:
    parcels = read_parcels(Path("parcels.csv"))
    vans = [Van(name="blue", capacity_kg=250.0), Van(name="red", capacity_kg=400.0)]
    left_behind = assign(parcels, vans)
    for zone, total in sorted(revenue_by_zone(parcels).items()):
        print(f"{zone:<10} {total:>10.2f}")
    write_report(Path("report.json"), vans, left_behind)


if __name__ == "__main__":
    main()
