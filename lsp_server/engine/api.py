"""What the engine promises to its callers. No torch, no sockets: everything here can be imported in the LSP process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from lsp_server.errors import SettingsError

MAX_CANDIDATES = 8
"""More than eight rows of KV cache cost seconds on a CPU, and nobody pages through them."""


class StopRule(str, Enum):
    """When decoding ends, besides `<|endoftext|>` and the token limit."""

    NONE = "none"
    LINE = "line"
    """At the end of the cursor's line."""
    BLOCK = "block"
    """At the end of the block the cursor is in, see `model.blocks`."""


class FinishReason(str, Enum):
    """Why a candidate ended."""

    END_OF_TEXT = "end_of_text"
    STOP_RULE = "stop_rule"
    UNSURE = "unsure"
    """What follows would have made the answer less likely than was asked for."""
    LENGTH = "length"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How tokens are drawn. CodeParrot's temperature and top-p are the defaults."""

    temperature: float = 0.4
    """0 is greedy."""
    top_p: float = 0.95
    """Smallest set of tokens whose probabilities sum to this; 1 is off."""
    top_k: int = 0
    """Only the k most likely tokens; 0 is off."""
    max_new_tokens: int = 64
    num_candidates: int = 1
    seed: int | None = None
    """A seeded request repeats exactly on the same machine and model."""

    def __post_init__(self) -> None:
        limits = {
            "temperature": (self.temperature, 0.0, 10.0),
            "top_p": (self.top_p, 0.001, 1.0),
            "top_k": (self.top_k, 0, 1_000_000),
            "max_new_tokens": (self.max_new_tokens, 1, 4096),
            "num_candidates": (self.num_candidates, 1, MAX_CANDIDATES),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:  # also refuses NaN
                raise SettingsError(f"{name} is {value}: choose a value from {low} to {high}")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Where the engine may look for how the user's own code goes on, besides the prompt itself."""

    texts: tuple[tuple[int, ...], ...] = ()
    """What else the document holds, in pieces, the nearest one last."""
    collection: str = ""
    """Key of texts that were remembered; empty is none."""
    own_name: str = ""
    """The document's name in the collection: its older copy is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """One question to the model: what comes after these tokens?"""

    document: str
    """Key of the document; it owns a KV slot, and a newer request of the same key supersedes an older one."""
    prompt_ids: tuple[int, ...]
    begins_with: str = ""
    """What every answer begins with: the last piece of text before the cursor, which the prompt leaves out so that the
    model may spell it together with what follows. Not part of a candidate's text."""
    recall: Recall | None = None
    """None asks the model alone."""
    sampling: SamplingParams = SamplingParams()
    stop: StopRule = StopRule.BLOCK
    least_probability: float = 0.0
    """An answer ends before the word that would make all of it less likely than this, in the engine's own judgement."""
    line_prefix: str = ""
    """Text left of the cursor on its line; the stop rules need its indentation."""
    deadline_ms: int | None = None
    """Answer with what there is after this time, counted from receipt in the engine."""
    prompt_format: str = ""
    """What the ids were made by (`model.opening.prompt_format`): another model must not read them. Empty asks any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One continuation of the prompt."""

    text: str
    token_ids: tuple[int, ...]
    """With those that spell what it begins with, without `<|endoftext|>`."""
    mean_logprob: float
    """Mean natural-log probability of the tokens under the model at temperature 1."""
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where a request's time went."""

    queue_ms: float
    prefill_ms: float
    decode_ms: float
    prompt_tokens: int
    reused_tokens: int
    """Prompt tokens found in the document's KV slot."""
    new_tokens: int
    """Tokens drawn for the longest candidate, with those behind its end."""
    num_passes: int = 0
    """Forward passes that drew them; fewer than tokens where drafts were right."""
    drafted_tokens: int = 0
    accepted_drafts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResult:
    """All candidates, best mean log-probability first."""

    candidates: tuple[Candidate, ...]
    timings: Timings


class EngineState(str, Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """What a user may want to know of the resident model."""

    state: EngineState
    model: str
    """Path of the bundle."""
    device: str
    backend: str = ""
    """What computes, such as `native int8 (avx2)`."""
    message: str = ""
    """The error's one line when the state is FAILED; otherwise what a user should know, such as a GPU that failed."""
    pid: int = 0
    num_requests: int = 0
    num_steps: int = 0
    """Forward passes run so far; tests count them to see that cancelled work stops."""
    prompt_tokens: int = 0
    """Of all requests since the engine started."""
    reused_tokens: int = 0
    memory_bytes: int = 0
    """What the engine's process holds; 0 where that is not known."""

    @property
    def hit_rate(self) -> float | None:
        """Share of the prompts' tokens that did not have to be read, 0 to 1; None before the first request."""
        return self.reused_tokens / self.prompt_tokens if self.prompt_tokens else None


OnTokens = Callable[[int, str], None]
"""Called with (candidate index, new text) while a request is being answered."""


class Engine(Protocol):
    """A resident model. Every method may raise EngineUnavailableError."""

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        """Answer a request; cancelling the awaiting task stops decoding within one token step.

        Raises:
            EngineLoadingError: the model is still loading.
            ModelChangedError: the resident model is asked in another format than the request's.
            PromptError: the prompt is empty, too long, or holds an id outside the vocabulary.
            asyncio.CancelledError: cancelled by the caller, or superseded by a newer request of the same document.
        """
        ...

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        """Warm a document's KV slot, at lower priority than any request."""
        ...

    async def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        """Keep texts, as tokens by name, for requests whose `recall` names the collection; an empty one is forgotten.

        They are found once they are sorted, a moment later. They leave with the client.
        """
        ...

    async def reload(self, bundle: Path | None) -> None:
        """Replace the resident model; None reads the same bundle again."""
        ...

    async def status(self) -> EngineStatus:
        """The engine's state; starts the engine if it is not running."""
        ...

    async def close(self) -> None:
        """Let go of the engine; a shared one goes on serving others."""
        ...
