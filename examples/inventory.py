"""A small shop's inventory, to try completions in."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Item:
    """Something on the shelf."""

    def __init__(self, name: str, price: float, quantity: int = 0) -> None:
        self.name = name
        self.price = price
        self.quantity = quantity

    def __repr__(self) -> str:
        return f"{self.name}: {self.quantity} at {self.price}"

    def total(self) -> float:
        return self.price * self.quantity


class Inventory:
    """All items of a shop, by name."""

    def __init__(self, items: list[Item] | None = None) -> None:
        self.items = {item.name: item for item in items or []}

    def add(self, item: Item) -> None:
        if item.name in self.items:
            raise ValueError(f"{item.name} is already there")
        self.items[item.name] = item

    def remove(self, name: str) -> None:
        try:
            del self.items[name]
        except KeyError:
            raise ValueError(f"{name} is not there") from None

    def load(self, path: Path) -> None:
        if not os.path.exists(path):
            raise FileNotFoundError(path)
        with open(path, encoding="utf-8") as file:
            for entry in json.load(file):
                self.add(Item(**entry))

    def names(self) -> list[str]:
        return sorted(self.items)
