"""The native kernel against the network in fp32, against its arithmetic written out in torch, and against itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import torch
from quantised_twin import twin_logits
from torch import Tensor

from lsp_server.engine.backend import Span
from lsp_server.engine.native import library
from lsp_server.engine.native_backend import NativeBackend, NativeCache
from lsp_server.errors import EngineError
from lsp_server.model.gpt2 import GPT2, GPT2Config


def why_not_here() -> str:
    """Empty where the kernel was built and loads."""
    try:
        library.load_library()
    except EngineError as error:
        return f"THE NATIVE KERNEL IS UNTESTED HERE: {error}"
    return ""


WHY_NOT = why_not_here()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
INSTRUCTION_SETS = [] if WHY_NOT else library.instruction_sets()

SHAPES = {
    "heads of 16, a vocabulary that fills no vector": GPT2Config(
        vocab_size=290, context_tokens=160, width=32, num_layers=2, num_heads=2
    ),
    "one layer, an odd number of heads of 32": GPT2Config(
        vocab_size=1001, context_tokens=150, width=96, num_layers=1, num_heads=3
    ),
    "one head of 48, outputs that fill half a panel": GPT2Config(
        vocab_size=7, context_tokens=64, width=48, num_layers=3, num_heads=1
    ),
    "five heads of 64, inputs of several chunks": GPT2Config(
        vocab_size=512, context_tokens=200, width=320, num_layers=1, num_heads=5
    ),
}
CHUNKINGS = {
    "one at a time": [1] * 40,
    "every number of rows up to two tiles": list(range(1, 17)),
    "a prompt, then drafts": [50, 5, 1, 4, 9],
    "blocks of positions and one more": [64, 1, 64],
}


def random_network(config: GPT2Config) -> GPT2:
    """Biases and norms are random too, so that one left out shows."""
    generator = torch.Generator().manual_seed(config.width)
    network = GPT2(config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1:
            parameter.copy_(noise * 1.5 / parameter.shape[1] ** 0.5)
        else:
            parameter.copy_(noise * 0.2 + ("ln_" in name and name.endswith("weight")))
    return network


def random_ids(config: GPT2Config, count: int) -> list[int]:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, config.vocab_size, (count,), generator=generator).tolist()


def reference_logits(network: GPT2, ids: list[int]) -> Tensor:
    with torch.no_grad():
        logits_TV: Tensor = network(torch.tensor([ids]))[0]
    return logits_TV


def read(backend: NativeBackend, cache: NativeCache, ids: Sequence[int]) -> Tensor:
    """The logits of all of `ids`, appended in one pass."""
    [logits_TV] = backend.forward([Span(cache=cache, ids=ids, num_logits=len(ids))])
    return logits_TV


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The root mean square of the difference, against that of the logits."""
    return float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt())


def typical_error(ours_TV: Tensor, theirs_TV: Tensor) -> float:
    """The median token's relative error.

    Where two ways of rounding put one input on two sides of a half, the next layers' inputs follow and that token
    differs by a percent; a wrong scale or bias moves every token.
    """
    return float(torch.tensor([relative_error(*rows) for rows in zip(ours_TV, theirs_TV, strict=True)]).median())


@pytest.fixture(scope="module")
def network() -> GPT2:
    return random_network(SHAPES["one layer, an odd number of heads of 32"])


@pytest.fixture(scope="module")
def backend(network: GPT2) -> NativeBackend:
    return NativeBackend(network, num_threads=2)


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_network_but_for_eight_bits(shape: str, isa: str) -> None:
    network = random_network(SHAPES[shape])
    ids = random_ids(network.config, network.config.context_tokens)
    backend = NativeBackend(network, num_threads=2, instruction_set=isa)
    ours_TV = read(backend, backend.new_cache(), ids)
    assert relative_error(ours_TV, reference_logits(network, ids)) < 0.05


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_same_arithmetic_in_torch(shape: str, isa: str) -> None:
    network = random_network(SHAPES[shape])
    ids = random_ids(network.config, network.config.context_tokens)
    backend = NativeBackend(network, num_threads=1, instruction_set=isa)
    ours_TV = read(backend, backend.new_cache(), ids)
    assert typical_error(ours_TV, twin_logits(network, ids)) < 1e-5


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
@pytest.mark.parametrize("chunks", CHUNKINGS.values(), ids=CHUNKINGS)
def test_chunks_of_any_size_give_the_same_bits(network: GPT2, chunks: list[int], isa: str) -> None:
    ids = random_ids(network.config, sum(chunks))
    backend = NativeBackend(network, num_threads=1, instruction_set=isa)
    whole_TV = read(backend, backend.new_cache(), ids)
    cache, parts = backend.new_cache(), []
    for size in chunks:
        start = cache.num_tokens
        parts.append(read(backend, cache, ids[start : start + size]))
    assert torch.equal(torch.cat(parts), whole_TV)


@pytest.mark.parametrize("num_threads", [1, 2, 3, 5])
def test_any_number_of_threads_gives_the_same_bits(network: GPT2, backend: NativeBackend, num_threads: int) -> None:
    ids = random_ids(network.config, 70)
    other = NativeBackend(network, num_threads)
    cache, other_cache = backend.new_cache(), other.new_cache()
    for part in (ids[:60], ids[60:69], ids[69:]):
        assert torch.equal(read(backend, cache, part), read(other, other_cache, part))


@pytest.mark.parametrize("num_shared", [1, 7, 8, 63, 64, 65, 100])
def test_a_branch_gives_the_bits_of_one_sequence(network: GPT2, backend: NativeBackend, num_shared: int) -> None:
    ids = random_ids(network.config, num_shared + 12)
    whole_TV = read(backend, backend.new_cache(), ids)
    prefix = backend.new_cache()
    backend.forward([Span(cache=prefix, ids=ids[:num_shared], num_logits=0)])
    branch = backend.branch(prefix, 12)
    ours_TV = torch.cat([read(backend, branch, ids[num_shared : num_shared + 5]), read(backend, branch, ids[-7:])])
    assert branch.num_tokens == len(ids)
    assert torch.equal(ours_TV, whole_TV[num_shared:])


def test_spans_in_one_pass_give_the_bits_of_each_alone(network: GPT2, backend: NativeBackend) -> None:
    prefix = backend.new_cache()
    backend.forward([Span(cache=prefix, ids=random_ids(network.config, 33), num_logits=0)])
    tokens = [random_ids(network.config, size) for size in (1, 4, 6, 2)]
    alone = [read(backend, backend.branch(prefix, 6), ids)[-1:] for ids in tokens]
    together = backend.forward([Span(cache=backend.branch(prefix, 6), ids=ids) for ids in tokens])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(together, alone, strict=True))


def test_a_truncated_cache_forgets(network: GPT2, backend: NativeBackend) -> None:
    ids = random_ids(network.config, 90)
    whole_TV = read(backend, backend.new_cache(), ids)
    cache = backend.new_cache()
    read(backend, cache, ids[:41] + [token_id ^ 1 for token_id in ids[41:80]])
    cache.truncate(41)
    assert torch.equal(read(backend, cache, ids[41:]), whole_TV[41:])


def test_logits_come_only_for_the_tokens_that_want_them(network: GPT2, backend: NativeBackend) -> None:
    ids = random_ids(network.config, 20)
    whole_TV = read(backend, backend.new_cache(), ids)
    caches = [backend.new_cache() for _ in range(3)]
    wanted = [0, 3, 1]
    spans = [Span(cache=cache, ids=ids, num_logits=count) for cache, count in zip(caches, wanted, strict=True)]
    for logits_NV, count in zip(backend.forward(spans), wanted, strict=True):
        assert torch.equal(logits_NV, whole_TV[len(ids) - count :])


def test_a_pass_that_wants_no_logits_fills_the_cache(network: GPT2, backend: NativeBackend) -> None:
    ids = random_ids(network.config, 20)
    cache = backend.new_cache()
    [none_NV] = backend.forward([Span(cache=cache, ids=ids[:-1], num_logits=0)])
    assert none_NV.shape == (0, network.config.vocab_size)
    assert torch.equal(read(backend, cache, ids[-1:]), read(backend, backend.new_cache(), ids)[-1:])


def test_a_window_can_be_filled_to_the_last_token(network: GPT2, backend: NativeBackend) -> None:
    ids = random_ids(network.config, network.config.context_tokens)
    cache = backend.new_cache()
    backend.forward([Span(cache=cache, ids=ids[:-1], num_logits=0)])
    last_TV = read(backend, cache, ids[-1:])
    assert relative_error(last_TV, reference_logits(network, ids)[-1:]) < 0.05
    with pytest.raises(AssertionError):
        read(backend, cache, ids[:1])


def test_a_branch_cannot_go_beyond_the_window(network: GPT2, backend: NativeBackend) -> None:
    ids = random_ids(network.config, network.config.context_tokens)
    prefix = backend.new_cache()
    backend.forward([Span(cache=prefix, ids=ids[:-2], num_logits=0)])
    branch = backend.branch(prefix, 64)
    read(backend, branch, ids[-2:])
    with pytest.raises(AssertionError):
        read(backend, branch, ids[:1])


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
def test_every_instruction_set_says_what_the_plain_one_says(network: GPT2, isa: str) -> None:
    ids = random_ids(network.config, 100)
    ours, plain = (NativeBackend(network, num_threads=1, instruction_set=name) for name in (isa, "scalar"))
    assert typical_error(read(ours, ours.new_cache(), ids), read(plain, plain.new_cache(), ids)) < 1e-5


def test_the_plain_set_is_always_there() -> None:
    assert INSTRUCTION_SETS[-1] == "scalar"


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="this processor has no AVX2"
)
def test_a_set_that_the_processor_has_passes_the_kernels_own_check() -> None:
    assert "avx2" in INSTRUCTION_SETS


def test_heads_that_fill_no_vector_are_refused() -> None:
    config = GPT2Config(vocab_size=64, context_tokens=32, width=40, num_layers=1, num_heads=5)
    with pytest.raises(EngineError, match="this model's have 8"):
        NativeBackend(GPT2(config), num_threads=1)


def test_an_unknown_instruction_set_is_refused(network: GPT2) -> None:
    with pytest.raises(EngineError, match="abacus"):
        NativeBackend(network, num_threads=1, instruction_set="abacus")


def test_caches_cost_nothing_before_they_are_used_and_nothing_stays_behind() -> None:
    config = GPT2Config(vocab_size=64, context_tokens=4096, width=256, num_layers=4, num_heads=4)
    backend = NativeBackend(GPT2(config), num_threads=1)
    before = psutil.Process().memory_info().rss
    caches = [backend.new_cache() for _ in range(20)]
    assert sum(cache.num_bytes for cache in caches) == 20 * 2 * 4 * 4096 * 256 * 2
    for _ in range(10_000):
        backend.branch(caches[0], 64)
    del caches
    assert psutil.Process().memory_info().rss - before < 16 << 20


EXIT = """
import os, sys
import torch
from lsp_server.engine.backend import Span
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.model.gpt2 import GPT2, GPT2Config

network = GPT2(GPT2Config(vocab_size=64, context_tokens=32, width=32, num_layers=1, num_heads=2))
backend = NativeBackend(network, num_threads=3)
cache = backend.new_cache()
backend.forward([Span(cache=cache, ids=[1, 2, 3])])
if sys.argv[1] == "fork":
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize(
    "how",
    [
        "exit",
        pytest.param("fork", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")),
    ],
)
def test_a_process_ends_while_the_kernels_threads_sleep(how: str) -> None:
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", EXIT, how], cwd=root, check=True, timeout=60)
