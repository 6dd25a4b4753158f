"""Drawing tokens: what may be drawn, how often, and that a seed repeats it."""

from __future__ import annotations

import math

import pytest
import torch

from lsp_server.engine.api import SamplingParams
from lsp_server.engine.sampler import Sampler
from lsp_server.errors import EngineError

VOCAB = 1000


def random_logits(num_rows: int = 1, vocab_size: int = VOCAB, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(num_rows, vocab_size, generator=torch.Generator().manual_seed(7)) * scale


def nucleus_by_full_sort(logits_V: torch.Tensor, params: SamplingParams) -> dict[int, float]:
    """The slow twin: every token that may be drawn, and its probability."""
    scaled = (logits_V.double() / params.temperature).tolist()
    order = sorted(range(len(scaled)), key=lambda number: -scaled[number])
    if params.top_k:
        order = order[: params.top_k]
    weights = [math.exp(scaled[number] - scaled[order[0]]) for number in order]
    kept: dict[int, float] = {}
    before = 0.0
    for number, weight in zip(order, weights, strict=True):
        if before >= params.top_p * sum(weights):
            break
        kept[number] = weight
        before += weight
    return {number: weight / sum(kept.values()) for number, weight in kept.items()}


def test_greedy_takes_the_likeliest_token_and_reports_its_logprob_at_temperature_one() -> None:
    logits_BV = random_logits(3)
    ids, logprobs = Sampler(SamplingParams(temperature=0.0), 3).draw(logits_BV, range(3))
    assert ids == logits_BV.argmax(1).tolist()
    expected = [logits_BV.log_softmax(1)[row, number].item() for row, number in enumerate(ids)]
    assert logprobs == pytest.approx(expected, abs=1e-5)


def test_logprobs_are_at_temperature_one_whatever_the_temperature() -> None:
    logits_BV = random_logits()
    ids, logprobs = Sampler(SamplingParams(temperature=2.5, seed=1), 1).draw(logits_BV, range(1))
    assert logprobs[0] == pytest.approx(logits_BV.log_softmax(1)[0, ids[0]].item(), abs=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=0.7, top_p=0.9),  # the first 64 tokens suffice
        SamplingParams(temperature=3.0, top_p=0.95),  # nearly flat: more than 64 are needed
        SamplingParams(temperature=1.0, top_p=1.0, top_k=5),
        SamplingParams(temperature=1.0, top_p=0.6, top_k=20),  # top-p of what top-k leaves
        SamplingParams(temperature=1.5, top_p=1.0),  # everything
        SamplingParams(temperature=1.0, top_p=0.001),  # the likeliest token alone
        SamplingParams(temperature=1.0, top_p=1.0, top_k=10**6),  # more than there are
    ],
    ids=lambda params: f"T{params.temperature}-p{params.top_p}-k{params.top_k}",
)
def test_the_distribution_is_that_of_a_full_sort(params: SamplingParams) -> None:
    logits_BV = random_logits(scale=2.0)
    expected = nucleus_by_full_sort(logits_BV[0], params)
    sampler = Sampler(params, 1)
    probs_BK, ids_BK = sampler._distribution(logits_BV / params.temperature)
    ids = range(VOCAB) if ids_BK is None else ids_BK[0].tolist()
    weights = (probs_BK[0].double() / probs_BK[0].double().sum()).tolist()
    found = {number: weight for number, weight in zip(ids, weights, strict=True) if weight > 0}
    assert found.keys() == expected.keys()
    assert all(found[number] == pytest.approx(expected[number], rel=1e-3) for number in found)


def test_frequencies_follow_the_probabilities() -> None:
    """Chi-square over 6 tokens (5 degrees of freedom): above 40.0 by chance for 1.5e-7 of all seeds."""
    probabilities = [0.4, 0.25, 0.15, 0.1, 0.07, 0.03]
    num_draws = 4000
    logits_BV = torch.tensor([probabilities]).log().expand(num_draws, -1)
    ids, _ = Sampler(SamplingParams(temperature=1.0, top_p=1.0, seed=12345), num_draws).draw(
        logits_BV, range(num_draws)
    )
    expected = [num_draws * probability for probability in probabilities]
    chi_square = sum((ids.count(token) - mean) ** 2 / mean for token, mean in enumerate(expected))
    assert chi_square < 40.0


def test_frequencies_follow_the_probabilities_from_draw_to_draw() -> None:
    """The same bound for one generator drawn from again and again, with top-p's sorted tokens."""
    probabilities = [0.07, 0.4, 0.03, 0.25, 0.1, 0.15]
    logits_BV = torch.tensor([probabilities]).log()
    sampler = Sampler(SamplingParams(temperature=1.0, top_p=0.999, seed=99), 1)
    drawn = [sampler.draw(logits_BV, [0])[0][0] for _ in range(2000)]
    expected = [2000 * probability for probability in probabilities]
    assert sum((drawn.count(token) - mean) ** 2 / mean for token, mean in enumerate(expected)) < 40.0


def test_a_seed_repeats_and_candidates_differ() -> None:
    params = SamplingParams(temperature=1.0, seed=3)
    logits_BV = random_logits().expand(4, -1)
    first, second = Sampler(params, 4), Sampler(params, 4)
    draws = [first.draw(logits_BV, range(4))[0] for _ in range(5)]
    assert draws == [second.draw(logits_BV, range(4))[0] for _ in range(5)]
    assert len({tuple(column) for column in zip(*draws, strict=True)}) == 4


def test_without_a_seed_runs_differ() -> None:
    logits_BV = random_logits(scale=0.1)
    drawn = {
        tuple(Sampler(SamplingParams(temperature=1.0), 4).draw(logits_BV.expand(4, -1), range(4))[0]) for _ in range(4)
    }
    assert len(drawn) > 1


@pytest.mark.parametrize("seed", [-1, 2**64, 10**30], ids=str)
def test_any_integer_is_a_seed(seed: int) -> None:
    Sampler(SamplingParams(seed=seed), 2).draw(random_logits(2), range(2))


def test_rows_left_draw_what_they_would_have_drawn() -> None:
    params = SamplingParams(temperature=1.0, seed=3)
    logits_BV = random_logits(scale=0.1)
    whole, part = Sampler(params, 3), Sampler(params, 3)
    for _ in range(3):
        ids = whole.draw(logits_BV.expand(3, -1), range(3))[0]
        assert part.draw(logits_BV.expand(2, -1), [0, 2])[0] == [ids[0], ids[2]]


@pytest.mark.parametrize("temperature", [1e-30, 1e-6, 1e-3])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    logits_BV = random_logits()
    ids, _ = Sampler(SamplingParams(temperature=temperature, seed=0), 1).draw(logits_BV, range(1))
    assert ids == logits_BV.argmax(1).tolist()


def test_a_token_without_probability_is_never_drawn() -> None:
    logits_BV = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(500, -1)
    ids, _ = Sampler(SamplingParams(temperature=1.0, top_p=1.0, seed=0), 500).draw(logits_BV, range(500))
    assert set(ids) == {1, 3}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_numbers_are_an_error(temperature: float) -> None:
    with pytest.raises(EngineError, match="no finite numbers"):
        Sampler(SamplingParams(temperature=temperature), 1).draw(torch.full((1, 9), math.nan), range(1))
