"""The native kernel as a back end: int8 weights on a CPU. Its slow twin is `torch_backend`.

Shape suffixes: N tokens whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lsp_server.engine.backend import Span
from lsp_server.engine.draft_cost import measure_draft_cost
from lsp_server.engine.native import library
from lsp_server.errors import EngineError
from lsp_server.model.gpt2 import GPT2, Block

HEAD_WIDTH_MULTIPLE = 16
"""The kernel's widest vector: a head is cut into whole ones."""
DRAFT_TOKENS = 8
"""A pass over nine tokens; a longer draft is seldom right to its end."""


class NativeCache:
    """One sequence's keys and values in the kernel's memory; a branch has its prefix in another cache."""

    def __init__(self, kernel: library.Library, model: int, num_positions: int, shared: NativeCache | None) -> None:
        handle = kernel.new_cache(model, num_positions)
        if not handle:
            raise EngineError(f"no memory for the keys and values of {num_positions} tokens: close other programs")
        _free_with(self, kernel.free_cache, handle)
        self.handle = handle
        self.num_positions = num_positions
        self.shared = shared
        self.num_own: int = 0
        self.num_shared: int = shared.num_own if shared else 0
        self._num_bytes: int = kernel.cache_bytes(handle)

    @property
    def num_tokens(self) -> int:
        return self.num_shared + self.num_own

    @property
    def num_bytes(self) -> int:
        return self._num_bytes

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        assert self.num_shared <= num_tokens <= self.num_tokens
        self.num_own = num_tokens - self.num_shared


class NativeBackend:
    """A network whose weights the kernel holds in a form of its own."""

    def __init__(self, network: GPT2, num_threads: int, instruction_set: str = "") -> None:
        """Takes a copy of the network's weights. `instruction_set`: empty is the best one that runs here.

        Raises: EngineError when the kernel does not run here, or not this shape of network.
        """
        self._kernel = library.load_library()
        self.name = f"native int8 ({instruction_set or library.instruction_sets()[0]})"
        self._config = config = network.config
        if config.head_width % HEAD_WIDTH_MULTIPLE:
            raise EngineError(
                f"the native kernel wants heads {HEAD_WIDTH_MULTIPLE} numbers wide or a multiple of that, "
                f"this model's have {config.head_width}: it runs on torch"
            )
        shape = library.Shape(
            config.num_layers, config.num_heads, config.width, config.context_tokens, config.vocab_size
        )
        model = self._kernel.new_model(ctypes.byref(shape), num_threads, instruction_set.encode())
        if not model:
            raise EngineError(f"the native kernel cannot be set up for {instruction_set or 'this processor'}")
        _free_with(self, self._kernel.free_model, model)
        self._model: int = model
        self._load(network)
        self._logits_width = self._kernel.logits_width(model)
        self.draft_cost: float = self._measure_draft_cost()
        """What one more token in a pass costs, as a share of a pass over one token, on this machine."""

    device = "cpu"
    draft_tokens = DRAFT_TOKENS

    def _measure_draft_cost(self) -> float:
        cache = self.new_cache()

        def read(num_tokens: int) -> None:
            cache.truncate(0)
            self.forward([Span(cache=cache, ids=[0] * num_tokens, num_logits=num_tokens)])

        return measure_draft_cost(read)

    @property
    def vocab_size(self) -> int:
        return self._config.vocab_size

    @property
    def context_tokens(self) -> int:
        return self._config.context_tokens

    def new_cache(self) -> NativeCache:
        """An empty cache for the whole window."""
        return NativeCache(self._kernel, self._model, self._config.context_tokens, None)

    def branch(self, cache: NativeCache, num_new_tokens: int) -> NativeCache:
        """A sequence that goes on from all of `cache`, which must not change while its branches live."""
        num_positions = min(num_new_tokens, self.context_tokens - cache.num_tokens)
        return NativeCache(self._kernel, self._model, num_positions, cache)

    def forward(self, spans: Sequence[Span[NativeCache]]) -> list[Tensor]:
        """Append each span's tokens to its cache; returns its logits, NV."""
        counts = [span.num_logits for span in spans]
        ids_T = torch.tensor([token_id for span in spans for token_id in span.ids], dtype=torch.int32)
        logits_NV = torch.empty(sum(counts), self._logits_width)
        array = (library.Span * len(spans))(*map(_as_struct, spans))
        if not self._kernel.forward(self._model, array, len(spans), ids_T.data_ptr(), logits_NV.data_ptr()):
            raise EngineError("no memory for a forward pass: close other programs")
        for span in spans:
            span.cache.num_own += len(span.ids)
        return list(torch.split(logits_NV[:, : self._config.vocab_size], counts))

    def _load(self, network: GPT2) -> None:
        tensors = (network.wte.weight, network.wpe.weight, network.ln_f.weight, network.ln_f.bias)
        kept = [_plain(tensor) for tensor in tensors]
        done = [self._kernel.set_embeddings(self._model, *(tensor.data_ptr() for tensor in kept))]
        for index, block in enumerate(network.h):
            done.append(self._load_layer(index, block))  # type: ignore[arg-type]  # ModuleList forgets what it holds
        if not all(done):
            raise EngineError("no memory for the model's weights: close other programs")

    def _load_layer(self, index: int, block: Block) -> bool:
        norms = [_plain(tensor) for norm in (block.ln_1, block.ln_2) for tensor in (norm.weight, norm.bias)]
        modules = (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj)
        linears = [_plain(tensor) for module in modules for tensor in (module.weight, module.bias)]
        return bool(self._kernel.set_layer(self._model, index, _pointers(norms), _pointers(linears)))


def _free_with(owner: object, free: Callable[[int], None], handle: int) -> None:
    """Call `free` when `owner` goes, but not at exit: the system frees everything, a forked child has no threads."""
    weakref.finalize(owner, free, handle).atexit = False


def _as_struct(span: Span[NativeCache]) -> library.Span:
    cache = span.cache
    assert cache.num_own + len(span.ids) <= cache.num_positions
    shared = cache.shared.handle if cache.shared else None
    return library.Span(cache.handle, shared, cache.num_shared, cache.num_own, len(span.ids), span.num_logits)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()


def _pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
