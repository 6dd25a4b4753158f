"""Try Parrotlet here: grey text is a suggestion. Tab takes it, Ctrl+Right (Cmd+Right on a Mac) takes one word of it,
Alt+] and Alt+[ show others, Escape dismisses it. To see the next one, go on typing.
"""

import json
from pathlib import Path


class Inventory:
    """How many of each thing there are."""

    def __init__(self, path):
        self.path = Path(path)
        self.counts = {}

    def add(self, name, count=1):
        self.counts[name] = self.counts.get(name, 0) + count

    def save(self):
        self.path.write_text(json.dumps(self.counts))

    def load(self):
        self.counts =
