"""One typed character at many places in real code, with trained weights: where guessing ahead may help, or not.

The answers themselves are kept as well: engines that run the same weights write mostly the same tokens.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchmarks.engine.field import Field
from benchmarks.engine.protocol import Question
from benchmarks.engine.roster import OURS
from benchmarks.engine.rounds import NEW_TOKENS, Progress
from benchmarks.engine.texts import Place, Tokens

CODE = f"warm, {NEW_TOKENS} tokens in real code"


class CodeRounds:
    """Each round asks every engine at every place."""

    def __init__(self, field: Field, rng: random.Random, progress: Progress) -> None:
        self._field, self._rng, self._progress = field, rng, progress
        self.answers: dict[str, list[Tokens]] = defaultdict(list)
        """The first round's, by engine, in the order of the places."""
        self.drafted: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()

    def run(self, places: Iterator[Place], num_places: int, rounds: int) -> None:
        chosen = self._choose(places, num_places)
        for number in range(rounds):
            names = self._field.names
            for name in self._rng.sample(names, len(names)):
                self._field.attempt(name, partial(self._measure, places=chosen, keep_answers=number == 0))
                self._progress.update()

    def _choose(self, places: Iterator[Place], count: int) -> list[Place]:
        """The first places at which our greedy answer is long enough to be timed: a model may end a file there."""
        chosen: list[Place] = []

        def choose(name: str) -> None:
            while len(chosen) < count:
                place = next(places)
                answer = self._field.ask(name, Question(prompt=place.prompt, new_tokens=NEW_TOKENS))
                if len(answer.tokens[0]) == NEW_TOKENS:
                    chosen.append(place)

        self._field.attempt(OURS, choose)
        self._field.short_answers.clear()
        return chosen

    def _measure(self, name: str, places: Sequence[Place], *, keep_answers: bool) -> None:
        for place in places:
            self._field.ask(name, Question(prompt=place.earlier, new_tokens=1))
            answer = self._field.ask(name, Question(prompt=place.prompt, new_tokens=NEW_TOKENS), CODE)
            self.drafted[name] += answer.drafted
            self.accepted[name] += answer.accepted
            if keep_answers:
                self.answers[name].append(answer.tokens[0])


def agreement(answers: Mapping[str, Sequence[Tokens]], reference: str) -> dict[str, dict[str, float]]:
    """Shares of places where an engine writes the reference's first token, and all of its tokens."""
    truth = answers.get(reference, ())
    return {
        name: {
            "first_token": _share(own[:1] == other[:1] for own, other in zip(rows, truth, strict=False)),
            "all_tokens": _share(own == other for own, other in zip(rows, truth, strict=False)),
        }
        for name, rows in answers.items()
        if name != reference and truth
    }


def _share(outcomes: Iterator[bool]) -> float:
    values = list(outcomes)
    return sum(values) / len(values) if values else 0.0
