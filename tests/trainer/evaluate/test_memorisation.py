"""What a model repeats: of a network that has learnt nothing else but one text, and of one that has learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from lsp_server.errors import EvaluationError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.corpus import Document
from trainer.evaluate.likelihood import open_scorer
from trainer.evaluate.memorisation import REPEATED, SHOWN, draw_places, exposure, memorisation
from trainer.evaluate.memory_figures import (
    ALTERNATIVES,
    CanaryFigures,
    Memorisation,
    Repeats,
    read_memorisation,
    write_memorisation,
)
from trainer.packing.canaries import canaries

(CANARY,) = canaries(1)
CHANCE_BITS = 1.0
MOST_BITS = log2(ALTERNATIVES + 1)


def document(text: str, name: str = "a") -> Document:
    return Document(path=f"{name}.py", source="project", licence="MIT", sha256=name * 8, text=text)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Callable[[int], Path]:
    """Writes a bundle of a network that has seen the canary so many times."""

    def make(num_steps: int) -> Path:
        torch.manual_seed(0)
        config = GPT2Config(
            vocab_size=code_tokenizer.vocab_size, context_tokens=256, width=64, num_layers=2, num_heads=2
        )
        network = GPT2(config)
        ids = torch.tensor([[code_tokenizer.end_of_text, *code_tokenizer.encode(CANARY.text)]])
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
        for _ in range(num_steps):
            F.cross_entropy(network(ids[:, :-1])[0], ids[0, 1:]).backward()
            optimizer.step()
            optimizer.zero_grad()
        folder = tmp_path_factory.mktemp(f"steps-{num_steps}") / "bundle"
        folder.mkdir()
        layout = PromptLayout(context_tokens=256, new_tokens=32, suffix_tokens=16)
        write_bundle(folder, network=network.eval(), tokenizer=code_tokenizer, layout=layout)
        return folder

    return make


def test_a_canary_that_was_learnt_comes_out_and_one_that_was_not_stays_at_chance(model: Callable[[int], Path]) -> None:
    trained, untrained = model(120), model(0)
    figures = [
        memorisation(folder, open_scorer(folder), [], [], [CANARY], count=0, seed=0).canaries[0]
        for folder in (trained, untrained)
    ]
    assert figures[0] == CanaryFigures(copies=1, exposure=pytest.approx(MOST_BITS), is_extracted=True)
    assert not figures[1].is_extracted
    assert exposure(open_scorer(untrained), CANARY) < MOST_BITS - 1


def test_runs_are_counted_up_to_the_first_wrong_character(model: Callable[[int], Path]) -> None:
    folder = model(0)
    texts = [document(f"value_{number} = {number}\n" * 200, str(number)) for number in range(3)]
    figures = memorisation(folder, open_scorer(folder), texts, texts[:1], [], count=2, seed=0)
    assert (figures.trained.num_places, figures.heldout.num_places) == (2, 1)
    assert figures.trained.num_repeated == 0
    assert figures.trained.longest_characters < REPEATED
    assert figures.trained.longest_place.startswith("project/")
    assert "of 2 places" in figures.summary()


def test_places_lie_at_ends_of_lines_of_documents_that_are_long_enough() -> None:
    long = [document(f"line {number} of the text\n" * 90, str(number)) for number in range(5)]
    short = document("x" * (SHOWN + REPEATED - 1), "short")
    places = draw_places([short, *long], 3, 0)
    assert len(places) == 3
    assert [place.document.path for place in places] == [place.document.path for place in draw_places(long, 3, 0)]
    for place in places:
        assert place.wanted[0] == "\n"
        assert len(place.wanted) == REPEATED
        assert place.document.text[: place.at].endswith(place.before)
    assert draw_places(long, 3, 1) != places, "another seed draws others"


def test_a_document_of_one_line_has_a_place_too() -> None:
    (place,) = draw_places([document("x" * 5000)], 1, 0)
    assert len(place.wanted) == REPEATED


def test_figures_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    assert read_memorisation(tmp_path) is None
    figures = Memorisation(
        trained=Repeats(
            num_places=4, num_repeated=1, mean_characters=12.5, longest_characters=160, longest_place="a/b"
        ),
        canaries=(CanaryFigures(copies=4, exposure=2.5, is_extracted=False),),
    )
    write_memorisation(tmp_path, figures)
    assert read_memorisation(tmp_path) == figures
    (tmp_path / "memorisation.json").write_text('{"trained": 3}')
    with pytest.raises(EvaluationError, match="evaluate again"):
        read_memorisation(tmp_path)
