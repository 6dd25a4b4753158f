"""Which back end is chosen, and that torch's forms of the network compute what the network does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import MakeBundle, needs_kernel, tiny_network

from lsp_server.engine import backends, int8_linear
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.int8_linear import Int8Linear, quantise
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.errors import EngineError, SettingsError
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2

AnyBackend = Backend[Any]  # Any: each has a cache of its own kind
needs_int8 = pytest.mark.skipif(not int8_linear.is_available(), reason="this torch does not multiply int8")
IDS = [50, 60, 70, 80, 90, 51, 61, 71, 81, 91, 52]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        pytest.param("auto", "native int8", marks=needs_kernel),
        pytest.param("native", "native int8", marks=needs_kernel),
        pytest.param("int8", "torch int8", marks=needs_int8),
        ("full", "torch float32"),
    ],
)
def test_a_back_end_is_chosen_by_name(bundle: Path, name: str, chosen: str) -> None:
    assert open_backend(open_bundle(bundle), "cpu", 1, name).name.startswith(chosen)


def refuse(*_: object) -> None:
    raise EngineError("the native kernel is not built: install a C++ compiler")


@needs_int8
def test_without_the_kernel_torch_does_the_work(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "NativeBackend", refuse)
    assert open_backend(open_bundle(bundle), "cpu", 1).name == "torch int8"
    with pytest.raises(EngineError, match="not built"):
        open_backend(open_bundle(bundle), "cpu", 1, "native")


def test_a_torch_without_int8_products_computes_in_full_precision(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "NativeBackend", refuse)
    monkeypatch.setattr(int8_linear, "is_available", lambda: False)
    assert open_backend(open_bundle(bundle), "cpu", 1).name == "torch float32"


def test_int8_products_that_are_not_there_are_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_linear, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="backend int8 needs a torch that multiplies int8"):
        open_backend(open_bundle(bundle), "cpu", 1, "int8")


def test_graphs_are_refused_without_a_gpu(bundle: Path) -> None:
    with pytest.raises(SettingsError, match="backend graphs runs on CUDA, and the device is cpu: choose auto"):
        open_backend(open_bundle(bundle), "cpu", 1, "graphs")


@pytest.mark.parametrize(
    ("free_mb", "num_rows"), [(80_000, 64), (4_096, 61), (200, 2), (0, 0)], ids=["much", "some", "too little", "none"]
)
def test_sequences_take_a_share_of_a_gpus_free_memory(free_mb: int, num_rows: int) -> None:
    """An 8 x 512 model with 1,024 positions in bf16."""
    assert backends.pool_rows(free_mb * 10**6, 2 * 8 * 512 * 1024 * 2) == num_rows


@pytest.mark.parametrize(("device", "name"), [("cpu", "fast"), ("cpu", "")])
def test_a_name_that_is_no_back_end_is_refused(bundle: Path, device: str, name: str) -> None:
    with pytest.raises(SettingsError, match=f"backend is '{name}': choose one of auto, native"):
        open_backend(open_bundle(bundle), device, 1, name)


def logits(backend: AnyBackend, ids: list[int]) -> torch.Tensor:
    return backend.forward([Span(cache=backend.new_cache(), ids=ids, num_logits=len(ids))])[0]


def test_torchs_back_end_gives_the_networks_logits(network: GPT2) -> None:
    backend = TorchBackend(network, "torch float32")
    torch.testing.assert_close(logits(backend, IDS), network(torch.tensor([IDS]))[0], rtol=1e-4, atol=1e-4)


@needs_int8
def test_an_int8_product_is_that_of_the_rounded_numbers() -> None:
    """Coarsely: what torch does to the inputs depends on the processor."""
    generator = torch.Generator().manual_seed(1)
    weight_OI, x_TI = torch.randn(24, 64, generator=generator), torch.randn(5, 64, generator=generator)
    bias_O = torch.randn(24, generator=generator)
    scales_O1 = weight_OI.abs().amax(1, keepdim=True) / int8_linear.weight_levels()
    exact_TO = x_TI @ ((weight_OI / scales_O1).round() * scales_O1).T + bias_O
    error_TO = (Int8Linear(weight_OI, bias_O)(x_TI) - exact_TO).abs()
    assert error_TO.max() < exact_TO.abs().max() / 10
    assert float(error_TO.max()) > 0


@needs_int8
def test_the_largest_products_are_not_cut_off() -> None:
    """With weights of eight bits a processor without VNNI makes 32 of these 64."""
    product_TO = Int8Linear(torch.ones(8, 64), None)(torch.ones(3, 64))
    torch.testing.assert_close(product_TO, torch.full((3, 8), 64.0), rtol=0.01, atol=0.0)


@needs_int8
def test_int8_layers_stand_for_all_of_the_networks(network: GPT2) -> None:
    expected = network(torch.tensor([IDS]))[0]
    other = tiny_network()
    int8 = logits(TorchBackend(other, "torch int8", quantise(other)), IDS)
    assert (int8 - expected).norm() / expected.norm() < 0.25
    assert not any(isinstance(module, torch.nn.Linear) for module in other.modules())


@pytest.mark.parametrize("num_new", [1, 3])
def test_branches_go_on_from_a_shared_prefix_independently(backend: AnyBackend, num_new: int) -> None:
    prefix = backend.new_cache()
    backend.forward([Span(cache=prefix, ids=IDS, num_logits=0)])
    branches = [backend.branch(prefix, 16) for _ in range(3)]
    texts: list[list[int]] = [[] for _ in branches]
    for step in range(4):
        spans = []
        for number, branch in enumerate(branches):
            ids = [20 + 7 * number + step + i for i in range(num_new)]
            texts[number] += ids
            spans.append(Span(cache=branch, ids=ids, num_logits=num_new))
        found = backend.forward(spans)
        if step == 1:  # one ends, one goes back
            del branches[1], texts[1], found[1]
            branches[0].truncate(len(IDS) + num_new)
            del texts[0][num_new:]
            continue
        for text, part in zip(texts, found, strict=True):
            expected = logits(backend, [*IDS, *text])[-num_new:]
            torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-4)
    assert prefix.num_tokens == len(IDS)


def test_documents_in_one_pass_get_the_logits_they_would_get_alone(backend: AnyBackend) -> None:
    texts = [IDS, IDS[:3], IDS[::-1], IDS[4:5]]
    spans = [Span(cache=backend.new_cache(), ids=text, num_logits=min(2, len(text))) for text in texts]
    for text, found in zip(texts, backend.forward(spans), strict=True):
        torch.testing.assert_close(found, logits(backend, text)[-2:], rtol=1e-4, atol=1e-4)


def test_a_bundles_weights_are_those_that_answer(make_bundle: MakeBundle) -> None:
    found = logits(open_backend(open_bundle(make_bundle(1)), "cpu", 1, "full"), IDS)
    torch.testing.assert_close(found, tiny_network(1)(torch.tensor([IDS]))[0], rtol=1e-4, atol=1e-4)
