"""A model behind the shipped engine, asked in the three ways that tests need. Judges nothing.

    suggest   as an editor asks: the window, the engine's stop rules and the trimming of `lsp_server.completion`
    infill    the trained layout with its suffix, until the model itself ends the middle
    go_on     the trained layout without a suffix, until the model ends the file or a caller's stop text comes

The last two cut text to the model's own budgets, and leave half the window for the answer at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.assembly import open_completer
from lsp_server.completion.completer import Completer
from lsp_server.completion.rules import ALL, Rules
from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.window import Encoder
from lsp_server.engine.api import MAX_CANDIDATES, CompletionRequest, Engine, SamplingParams, StopRule
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.local import LocalEngine
from lsp_server.model.opening import open_model
from lsp_server.model.prompt import PromptBuilder
from lsp_server.settings import Confidence, LengthMode, Settings
from trainer.evaluate.tasks import Task

DEADLINE_MS = 60_000
_SETTLE_SECONDS = 60.0
_HIGHEST_MAX_NEW_TOKENS = 512
"""Of `Settings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How answers are drawn."""

    num: int = 1
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 0.95
    seed: int = 0
    max_new_tokens: int = 256


class Respondent:
    """Asks one loaded model; made by `open_respondent`."""

    def __init__(self, engine: LocalEngine, completer: Completer, tokenizer: Encoder, prompts: PromptBuilder) -> None:
        self._engine = engine
        self._completer = completer
        self._others: dict[Rules, Completer] = {}
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._num_asked = 0

    async def remember(self, texts: Mapping[str, str]) -> None:
        """Code that questions may look up, by path, but a task's own file; an empty text is forgotten."""
        encoded = {path: self._tokenizer.encode(text) for path, text in texts.items()}
        await self._engine.remember(self._completer.workspace.collection, encoded)
        await asyncio.to_thread(self._engine.settle, _SETTLE_SECONDS)

    async def answer(self, task: Task, rules: Rules = ALL) -> str:
        """The greedy answer to a completion task; what was remembered has a say under all rules only."""
        if task.kind == "span":
            return (await self.infill(task.before, task.after, Draw(max_new_tokens=self._prompts.new_tokens)))[0]
        return await self._suggest(task, rules)

    async def _suggest(self, task: Task, rules: Rules) -> str:
        settings = Settings(
            length=LengthMode.LINE,
            temperature=0.0,
            deadline_ms=DEADLINE_MS,
            confidence=Confidence.ALL,
        )
        if task.kind == "block":
            most = min(self._prompts.new_tokens, _HIGHEST_MAX_NEW_TOKENS)
            settings = replace(settings, length=LengthMode.BLOCK, max_new_tokens=most)
        completer = self._completer if rules == ALL else self._completer_with(rules)
        completer.forget(task.path)  # each task has a hole of its own
        snapshot = Snapshot(uri=task.path, language="python", text=task.before + task.after, offset=len(task.before))
        suggestions = await completer.suggest(snapshot, settings, automatic=True)
        return suggestions[0].text if suggestions else ""

    def _completer_with(self, rules: Rules) -> Completer:
        if rules not in self._others:
            self._others[rules] = Completer(
                engine=self._engine, tokenizer=self._tokenizer, prompts=self._prompts, rules=rules
            )
        return self._others[rules]

    async def infill(self, before: str, after: str, draw: Draw) -> list[str]:
        """What stands between two texts; ends where the model says that the middle ends."""
        return await self._ask(before, after, draw, ())

    async def go_on(self, before: str, draw: Draw, stops: Sequence[str]) -> list[str]:
        """What follows a text, up to the first of `stops`, which is left out."""
        return await self._ask(before, "", draw, stops)

    async def _ask(self, before: str, after: str, draw: Draw, stops: Sequence[str]) -> list[str]:
        prompts = self._prompts.with_new_tokens(draw.max_new_tokens)
        piece = self._tokenizer.last_piece(before)
        prefix = self._tokenizer.encode(before.removesuffix(piece))
        prompt_ids = prompts.build(prefix=prefix, suffix=self._tokenizer.encode(after))
        answers: list[str] = []
        while len(answers) < draw.num:
            request = CompletionRequest(
                document=self._name(),
                prompt_ids=prompt_ids,
                begins_with=piece,
                sampling=SamplingParams(
                    temperature=draw.temperature,
                    top_p=draw.top_p,
                    max_new_tokens=min(draw.max_new_tokens, prompts.context_tokens - len(prompt_ids)),
                    num_candidates=min(MAX_CANDIDATES, draw.num - len(answers)),
                    seed=draw.seed + len(answers),
                ),
                stop=StopRule.NONE,
            )
            answers += await _Listener(stops, request.sampling.num_candidates).complete(self._engine, request)
        return answers

    def _name(self) -> str:
        """A document of its own for each question, so that none takes another's place."""
        self._num_asked += 1
        return f"task-{self._num_asked}"


class _Listener:
    """Reads along while candidates are written, and ends the request once a stop text has come in each of them."""

    def __init__(self, stops: Sequence[str], num_candidates: int) -> None:
        self._stops = stops
        self._texts = [""] * num_candidates
        self._request: asyncio.Task[object] | None = None

    async def complete(self, engine: Engine, request: CompletionRequest) -> list[str]:
        asked = asyncio.ensure_future(engine.complete(request, self._hear if self._stops else None))
        self._request = asked
        try:
            result = await asked
        except asyncio.CancelledError:
            if not self._have_all_stopped():
                raise
            return [before_stop(text, self._stops) for text in self._texts]
        finally:
            asked.cancel()
        return [before_stop(candidate.text, self._stops) for candidate in result.candidates]

    def _hear(self, candidate: int, text: str) -> None:
        self._texts[candidate] += text
        if self._request is not None and self._have_all_stopped():
            self._request.cancel()

    def _have_all_stopped(self) -> bool:
        return all(any(stop in text for stop in self._stops) for text in self._texts)


def before_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop in it."""
    return text[: min((at for at in map(text.find, stops) if at >= 0), default=len(text))]


@asynccontextmanager
async def open_respondent(path: Path | None, device: str = "auto") -> AsyncIterator[Respondent]:
    """A bundle's model or one from the Hub, loaded; None is the embedded one. Raises: BundleError, EngineError."""
    model = open_model(path)
    engine = LocalEngine(EngineChoice(model=model.path, device=device))
    try:
        await engine.reload(None)  # has its turn when the model is loaded; a completion before that would be refused
        yield Respondent(engine, open_completer(model.path, engine), model.load_tokenizer(), model.prompts)
    finally:
        await engine.close()
