"""Models of the Hub as a back end, against transformers' own `generate` on the same random weights."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hub_folders import WINDOW, edit_json, of_family, save_hub_model, sentencepiece
from safetensors.torch import load_file, save_file

from lsp_server.engine.api import CompletionRequest, CompletionResult, SamplingParams, StopRule
from lsp_server.engine.backend import Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.decoding import PREFILL_TOKENS
from lsp_server.engine.hub_backend import HubBackend, check_memory
from lsp_server.engine.resident import ResidentModel
from lsp_server.errors import BundleError, EngineError, SettingsError
from lsp_server.model.hub_folder import open_hub_model
from lsp_server.model.opening import open_model

KINDS = {
    "gpt2": of_family("StarCoder"),
    "gpt_bigcode": of_family("SantaCoder"),
    "starcoder2": of_family("StarCoder2"),
    "qwen2": of_family("Qwen2.5-Coder"),
    "llama": sentencepiece(),
    "mistral": sentencepiece("metaspace"),
}
NUM_NEW = 20
GREEDY = SamplingParams(temperature=0.0, max_new_tokens=NUM_NEW)


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hub_model(tmp_path_factory.mktemp(request.param), request.param, KINDS[request.param])


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hub_model(tmp_path_factory.mktemp("gpt2"), "gpt2", KINDS["gpt2"])


@pytest.fixture
def copied(gpt2: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(gpt2, tmp_path / "hub"))


@pytest.fixture
def model(folder: Path) -> ResidentModel:
    return ResidentModel.load(folder, "cpu", 1)


class Reference:
    """transformers alone: a new cache for every question."""

    def __init__(self, folder: Path) -> None:
        self._network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._ends = list(open_hub_model(folder).load_tokenizer().sentinel_ids.values())

    def greedy(self, prompt_ids: list[int], num_new: int = NUM_NEW) -> list[int]:
        ids = torch.tensor([prompt_ids])
        output = self._network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=num_new,
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=0,
        )
        new = output[0, len(prompt_ids) :].tolist()
        return new[:-1] if new[-1] in self._ends else new


@pytest.fixture
def reference(folder: Path) -> Reference:
    return Reference(folder)


def run(model: ResidentModel, steps: Generator[list[Any], list[Any], CompletionResult]) -> CompletionResult:
    logits = None
    while True:
        try:
            spans = steps.send(logits)  # type: ignore[arg-type]  # None only starts it
        except StopIteration as stop:
            result: CompletionResult = stop.value
            return result
        logits = model.forward(spans)


def complete(model: ResidentModel, prompt_ids: list[int], sampling: SamplingParams = GREEDY) -> CompletionResult:
    request = CompletionRequest(document="d", prompt_ids=tuple(prompt_ids), sampling=sampling, stop=StopRule.NONE)
    return run(model, model.complete(request, 0.0))


def answer(model: ResidentModel, prompt_ids: list[int], sampling: SamplingParams = GREEDY) -> list[int]:
    return list(complete(model, prompt_ids, sampling).candidates[0].token_ids)


def random_ids(count: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(8, 256) for _ in range(count)]


@pytest.mark.parametrize("num_prompt_tokens", [1, 2, 31, 64, WINDOW - NUM_NEW])
def test_cold_greedy_tokens_are_those_of_generate(
    model: ResidentModel, reference: Reference, num_prompt_tokens: int, folder: Path
) -> None:
    window = open_hub_model(folder).prompts.context_tokens
    prompt_ids = random_ids(min(num_prompt_tokens, window - NUM_NEW), seed=num_prompt_tokens)
    result = complete(model, prompt_ids)
    assert list(result.candidates[0].token_ids) == reference.greedy(prompt_ids)
    assert result.timings.reused_tokens == 0


def test_an_editing_session_over_one_slot_gives_the_tokens_of_generate(
    model: ResidentModel, reference: Reference
) -> None:
    """Typing, backspace, accepting, another place, and several candidates in between."""
    generator = random.Random(5)
    prompt_ids = random_ids(20)
    num_reused = 0
    for step in range(14):
        action = generator.choice(["type", "delete", "accept", "jump", "sample"])
        if action == "type":
            prompt_ids = prompt_ids + random_ids(generator.randint(1, 4), seed=step)
        elif action == "delete":
            prompt_ids = prompt_ids[: max(1, len(prompt_ids) - generator.randint(1, 5))]
        elif action == "jump":
            prompt_ids = random_ids(generator.randint(1, 40), seed=step)
        elif action == "sample":
            complete(model, prompt_ids, SamplingParams(num_candidates=3, max_new_tokens=5, seed=step))
        result = complete(model, prompt_ids)
        expected = reference.greedy(prompt_ids)
        assert list(result.candidates[0].token_ids) == expected, action
        num_reused += result.timings.reused_tokens
        if action == "accept":
            prompt_ids = (prompt_ids + expected)[:40]
    assert num_reused > 50


def test_a_middle_typed_into_keeps_the_cache_up_to_the_cursor(model: ResidentModel, reference: Reference) -> None:
    head, prefix, suffix = random_ids(2, 1), random_ids(20, 2), random_ids(6, 3)
    complete(model, [*head, *prefix, *suffix])
    result = complete(model, [*head, *prefix, 9, *suffix])
    assert result.timings.reused_tokens == 22
    assert list(result.candidates[0].token_ids) == reference.greedy([*head, *prefix, 9, *suffix])


def test_several_nearly_cold_candidates_are_all_greedy_and_leave_the_prompt_in_its_slot(
    model: ResidentModel, reference: Reference
) -> None:
    prompt_ids = random_ids(20, seed=4)
    sampling = SamplingParams(temperature=1e-6, num_candidates=3, max_new_tokens=NUM_NEW, seed=0)
    result = complete(model, prompt_ids, sampling)
    assert {list(each.token_ids) == reference.greedy(prompt_ids) for each in result.candidates} == {True}
    assert complete(model, prompt_ids).timings.reused_tokens == len(prompt_ids) - 1


def test_candidates_do_not_see_each_other(model: ResidentModel) -> None:
    sampling = SamplingParams(temperature=1.0, num_candidates=3, max_new_tokens=12, seed=11)
    together = complete(model, random_ids(20), sampling)
    assert complete(model, random_ids(20), sampling).candidates == together.candidates
    alone = answer(model, random_ids(20), SamplingParams(temperature=1.0, max_new_tokens=12, seed=11))
    assert alone in [list(each.token_ids) for each in together.candidates]


def test_only_the_logits_that_are_wanted_come_back_and_they_are_those_of_one_pass(folder: Path) -> None:
    backend = open_backend(open_hub_model(folder), "cpu", 1)
    ids = random_ids(12)
    (whole,) = backend.forward([Span(cache=backend.new_cache(), ids=ids, num_logits=len(ids))])
    cache, other = backend.new_cache(), backend.new_cache()
    nothing, first = backend.forward([Span(cache=cache, ids=ids[:5], num_logits=0), Span(cache=other, ids=ids[:1])])
    (rest,) = backend.forward([Span(cache=cache, ids=ids[5:], num_logits=3)])
    assert (nothing.shape, first.shape) == ((0, backend.vocab_size), (1, backend.vocab_size))
    torch.testing.assert_close(rest, whole[-3:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first, whole[:1], rtol=1e-4, atol=1e-4)
    assert (cache.num_tokens, other.num_tokens) == (12, 1)


def test_a_branch_grows_by_itself(folder: Path) -> None:
    backend = open_backend(open_hub_model(folder), "cpu", 1)
    trunk = backend.new_cache()
    backend.forward([Span(cache=trunk, ids=[8, 9, 10])])
    branch = backend.branch(trunk, 4)
    backend.forward([Span(cache=branch, ids=[11, 12])])
    branch.truncate(1)
    assert (trunk.num_tokens, branch.num_tokens) == (3, 1)
    expected = backend.new_cache()
    (logits,) = backend.forward([Span(cache=trunk, ids=[13])])
    (again,) = backend.forward([Span(cache=expected, ids=[8, 9, 10, 13])])
    torch.testing.assert_close(logits, again, rtol=1e-4, atol=1e-4)


def test_a_cache_says_what_its_whole_window_will_take(gpt2: Path) -> None:
    backend = open_backend(open_hub_model(gpt2), "cpu", 1)
    layers_heads_width_bytes = 2 * 4 * 8 * 4
    assert backend.new_cache().num_bytes == 2 * layers_heads_width_bytes * WINDOW


def test_a_long_prompt_is_read_in_portions(tmp_path: Path) -> None:
    save_hub_model(tmp_path, window=512)
    prompt_ids = random_ids(2 * PREFILL_TOKENS + 3)
    assert answer(ResidentModel.load(tmp_path, "cpu", 1), prompt_ids) == Reference(tmp_path).greedy(prompt_ids)


def test_the_back_end_says_what_runs(gpt2: Path) -> None:
    model = open_model(gpt2)
    assert isinstance(backend := open_backend(model, "cpu", 1, "full"), HubBackend)
    assert backend.name == "transformers gpt2, float32"
    assert (backend.device, backend.draft_tokens) == ("cpu", 0)


def test_a_device_that_fails_in_the_first_try_is_no_fault_of_the_model(
    gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the engine can go on from the CPU."""
    full = torch.OutOfMemoryError("CUDA out of memory")

    def forward(*_: object) -> list[torch.Tensor]:
        raise full

    monkeypatch.setattr(HubBackend, "forward", forward)
    with pytest.raises(torch.OutOfMemoryError):
        open_backend(open_hub_model(gpt2), "cpu", 1)


@pytest.mark.parametrize("name", ["native", "int8"])
def test_our_own_back_ends_do_not_take_it(gpt2: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"backend {name} runs models of Parrotlet's own.*choose auto"):
        open_backend(open_hub_model(gpt2), "cpu", 1, name)


def test_without_transformers_one_line_names_the_remedy(gpt2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EngineError, match=r"needs transformers.*pip install 'parrotlet\[hub\]'$") as error:
        ResidentModel.load(gpt2, "cpu", 1)
    assert "\n" not in str(error.value)


def test_a_weight_that_is_missing_is_not_drawn_at_random(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["transformer.h.0.ln_1.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"missing keys, 1 weights, such as transformer\.h\.0\.ln_1\.weight"):
        ResidentModel.load(copied, "cpu", 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gpt7"}, "gpt7"),
        ({"model_type": "gpt7", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}, "gpt7"),
        ({"n_embd": 48, "n_head": 4}, "config.json"),
        ({"model_type": "t5"}, "t5"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(copied: Path, changes: dict[str, object], words: str) -> None:
    edit_json(copied / "config.json", **changes)
    (copied / "modeling.py").write_text("raise SystemExit('code of the folder ran')")
    with pytest.raises(BundleError, match="choose another model") as error:
        ResidentModel.load(copied, "cpu", 1)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_weights_are_refused(copied: Path) -> None:
    content = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="choose another model"):
        ResidentModel.load(copied, "cpu", 1)


def test_a_recurrent_network_is_refused(tmp_path: Path) -> None:
    """Its state cannot go back to an earlier token, and its config.json does not say so."""
    save_hub_model(tmp_path)
    config = transformers.MambaConfig(vocab_size=291, hidden_size=16, num_hidden_layers=1, state_size=4)
    transformers.MambaForCausalLM(config).save_pretrained(tmp_path)
    edit_json(tmp_path / "config.json", n_positions=WINDOW)
    with pytest.raises(
        BundleError, match=r"layer 0 is a LinearAttentionLayer, whose memory cannot go back|cannot forget"
    ):
        ResidentModel.load(tmp_path, "cpu", 1)


def test_a_window_longer_than_a_sliding_one_is_refused(tmp_path: Path) -> None:
    """Should config.json hide it from us: transformers' own reading of it counts."""
    save_hub_model(tmp_path, "mistral")
    model = open_hub_model(tmp_path)
    network = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    check_memory(network, model)
    network.config.sliding_window = WINDOW // 4
    with pytest.raises(BundleError, match=f"layer 0 slides over {WINDOW // 4} tokens"):
        check_memory(network, model)
