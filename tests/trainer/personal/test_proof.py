"""How much of the base is mixed in: the search, on made-up curves of gain and forgetting."""

from pathlib import Path

import pytest

from trainer.personal import proof
from trainer.personal.gate import MOST_FORGOTTEN, Mix
from trainer.personal.proof import Texts, mix_models

NOTHING = Texts(home=(), elsewhere=())


def search(monkeypatch: pytest.MonkeyPatch, folder: Path, *, peak: float, forgets: float) -> tuple[list[Mix], Path]:
    """Mixtures of a tuned model that is best at home at the share `peak`, and forgets that much in full."""

    def measure(model: Path, share: float, texts: Texts, planted: object) -> Mix:
        assert share == 0 or model.is_dir()
        home = 1 - 0.1 * (1 - ((share - peak) / peak) ** 2)
        return Mix(share=share, home_bits=home, elsewhere_bits=1 + forgets * share**2, num_extracted=0)

    def make(base: Path, tuned: Path, share: float, out: Path) -> None:
        out.mkdir(parents=True)

    monkeypatch.setattr(proof, "measure_mix", measure)
    monkeypatch.setattr(proof, "interpolate_folders", make)
    _, mixes = mix_models(folder / "base", folder / "tuned", NOTHING, (), folder / "tried", lambda share: None)
    return mixes, folder / "tried"


@pytest.mark.parametrize("forgets", [0.02 / 0.09, 0.04, 0.021])
def test_as_much_is_taken_as_may_be_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgets: float) -> None:
    mixes, _ = search(monkeypatch, tmp_path, peak=1.0, forgets=forgets)
    best, most = mixes[0], (MOST_FORGOTTEN / forgets) ** 0.5
    assert most - 1 / 16 < best.share <= most


@pytest.mark.parametrize("peak", [0.55, 0.7, 0.9])
def test_no_more_is_taken_than_helps_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peak: float) -> None:
    mixes, _ = search(monkeypatch, tmp_path, peak=peak, forgets=0.0)
    assert mixes[0].home_bits == min(mix.home_bits for mix in mixes)
    assert mixes[0].share == pytest.approx(peak, abs=1 / 8)


def test_only_the_model_that_is_taken_stays_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mixes, tried = search(monkeypatch, tmp_path, peak=1.0, forgets=0.05)
    assert len(mixes) > 1
    assert [folder.name for folder in tried.iterdir()] == [f"{mixes[0].share:g}"]


def test_where_every_mixture_forgets_too_much_the_least_of_it_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mixes, _ = search(monkeypatch, tmp_path, peak=1.0, forgets=30.0)
    assert mixes[0].share == min(mix.share for mix in mixes)
