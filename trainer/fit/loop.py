"""The training loop: packed tokens in, checkpoints and curves out.

Runs as one process or many (`accelerate launch`). A run that is stopped goes on where its last checkpoint stands, with
exactly the next rows, under the recipe as it stands then: a new learning rate or weight decay holds from the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate.utils import set_seed
from torch import nn

from lsp_server.errors import DivergenceError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import Recipe
from trainer.dataset import BatchReader, RowSource, open_rows
from trainer.fit.averaging import WeightAverage
from trainer.fit.checkpoint import Identity, Progress, latest_checkpoint, load_checkpoint, save_checkpoint
from trainer.fit.clock import Clock
from trainer.fit.config import FitConfig
from trainer.fit.divergence import judge_step
from trainer.fit.feed import Feed
from trainer.fit.heldout import HeldOut
from trainer.fit.interruption import Interruption
from trainer.fit.journal import Journal
from trainer.fit.power import machine
from trainer.fit.samples import Prompt, complete, draw_prompts
from trainer.fit.schedule import learning_rate_factor, row_parts, rows_of_step, share_done
from trainer.fit.session import Session
from trainer.fit.steps import StepResult, take_step
from trainer.network import build_network
from trainer.packing import TokenStream, read_index
from trainer.tuning.replay import REPLAY, mix_rows

BuildNetwork = Callable[[Recipe, int], nn.Module]
BehindStep = Callable[[float, float], float]
"""Told the share of the run that is done and the smoothed loss, 0 before the first step's is read; returns how long it
waited, which does not count."""


def _go_on(_share: float, _loss: float) -> float:
    return 0.0


@dataclass(slots=True)
class _Run:
    """Everything one run holds while it goes on."""

    session: Session
    config: FitConfig
    progress: Progress
    average: WeightAverage
    identity: Identity
    folder: Path
    journal: Journal
    tokenizer: CodeTokenizer
    heldout: HeldOut
    prompts: list[Prompt]
    clock: Clock
    behind_step: BehindStep
    saved_at: float = 0.0
    """Seconds of the run at its last checkpoint."""
    save_is_waiting: bool = False
    """A checkpoint is due, but the loss is far above its lowest."""
    unread: list[tuple[StepResult, dict[str, float]]] = field(default_factory=list)
    """Steps whose results nobody has waited for yet, with what else is told of them."""

    @property
    def share(self) -> float:
        progress = self.progress
        looks = self.config.patience * self.config.eval_steps
        if looks and progress.best_step and progress.step - progress.best_step >= looks:
            return 1.0  # the held-out loss has stopped falling
        return share_done(self.config, step=progress.step, tokens=progress.tokens, seconds=progress.seconds)


def fit(recipe: Recipe, run_dir: Path, build: BuildNetwork = build_network, behind_step: BehindStep = _go_on) -> Path:
    """Train a network in `run_dir`, from its last checkpoint if it has one; returns the final checkpoint.

    Ctrl-C and SIGTERM end it behind the step that is running, with a checkpoint. `behind_step` is told of each step.

    Raises:
        CheckpointError: the checkpoint is of another recipe or corpus, or cannot be written.
        CorpusError: the packed tokens are missing, damaged or too few.
        DivergenceError: the loss is no number or has jumped; the message names the last good checkpoint.
        RecipeError: this machine cannot do what the recipe asks.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    config = recipe.fit
    if config.threads:
        torch.set_num_threads(config.threads)
    tokenizer = CodeTokenizer.load(run_dir / "tokenizer" / "tokenizer.json")
    source = _rows(recipe, run_dir, tokenizer)
    set_seed(recipe.seed)
    session = Session.start(build(recipe, tokenizer.vocab_size), config, run_dir)
    set_seed(recipe.seed + session.accelerator.process_index)  # processes must not drop out the same units
    rows = BatchReader(
        source,
        process=session.accelerator.process_index,
        num_processes=session.num_processes,
        workers=recipe.dataset.workers,
    )
    session.accelerator.register_for_checkpointing(rows)
    run = _open(recipe, run_dir, session, tokenizer, behind_step)
    try:
        with Interruption() as interruption, run.clock:
            _train(run, Feed(rows, session.accelerator.device), interruption)
    finally:
        run.journal.close()
    checkpoint = latest_checkpoint(run.folder)
    assert checkpoint is not None, "the last step is followed by a checkpoint"
    return checkpoint


def _rows(recipe: Recipe, run_dir: Path, tokenizer: CodeTokenizer) -> RowSource:
    """The run's training rows, with some to replay among them where a fine-tuning recipe has any."""
    own = open_rows(recipe, run_dir, tokenizer)
    if not recipe.tuning.replay_sources:
        return own
    return mix_rows(own, open_rows(recipe, run_dir / REPLAY, tokenizer), recipe.tuning.replay_share)


def _open(recipe: Recipe, run_dir: Path, session: Session, tokenizer: CodeTokenizer, behind_step: BehindStep) -> _Run:
    packed, folder = run_dir / "packed", run_dir / "checkpoints"
    index = read_index(packed)
    identity: Identity = {
        "model": asdict(recipe.model),
        "seed": recipe.seed,
        "row_tokens": recipe.fit.row_tokens,
        "dataset": {key: value for key, value in asdict(recipe.dataset).items() if key != "workers"},
        "corpus": index["content_hash"],
    }
    if recipe.model.pretrained:
        tuning = asdict(recipe.tuning)
        tuning.pop("interpolation")  # of the export's
        if recipe.tuning.method != "blocks":
            tuning.pop("last_blocks")
        identity["tuning"] = {key: list(value) if isinstance(value, tuple) else value for key, value in tuning.items()}
    if recipe.tuning.replay_sources:
        identity["replay"] = read_index(run_dir / REPLAY / "packed")["content_hash"]
    average = WeightAverage(session.plain_network, recipe.fit.ema_decay)
    progress = _resume(folder, session, average, identity)
    stream = TokenStream.open(packed, "heldout")
    return _Run(
        session=session,
        config=recipe.fit,
        progress=progress,
        average=average,
        identity=identity,
        folder=folder,
        journal=Journal(session, run_dir, progress),
        tokenizer=tokenizer,
        heldout=HeldOut(
            stream=stream,
            num_bytes=index["splits"]["heldout"]["bytes"],
            row_tokens=recipe.fit.row_tokens,
            max_rows=recipe.fit.eval_rows,
        ),
        prompts=draw_prompts(
            stream,
            tokenizer,
            count=recipe.fit.samples,
            seed=recipe.seed,
            context_tokens=recipe.fit.row_tokens,
        ),
        clock=Clock(progress.seconds),
        behind_step=behind_step,
        saved_at=progress.seconds,
    )


def _resume(folder: Path, session: Session, average: WeightAverage, identity: Identity) -> Progress:
    checkpoint = latest_checkpoint(folder)
    if checkpoint is None:
        return Progress()
    settings = session.settings_of_groups()
    progress = load_checkpoint(
        checkpoint, session.accelerator, identity, lambda path, found: average.load(path, found.num_averaged)
    )
    session.restore_settings(settings)
    session.rows_at_once = min(progress.rows_at_once or session.rows_at_once, session.rows_at_once)
    session.accelerator.print(f"resuming from {checkpoint} after {progress.step} steps")
    return progress


def _train(run: _Run, feed: Feed, interruption: Interruption) -> None:
    """Steps until the budget is spent; this is the loop. A run that was finished before takes none."""
    while run.share < 1.0:
        _step(run, feed)
        run.clock.leave_out(run.behind_step(run.share, run.progress.smooth_loss))
        if not _is_time_to_look(run):
            continue
        interrupted = _look(run, interruption)
        finished = run.share >= 1.0
        is_best = _evaluate(run) if finished or _is_due(run, run.config.eval_steps) else False
        if finished or interrupted or is_best or _is_good_time_to_save(run):
            _save(run)
        run.journal.plot(at_once=finished or interrupted)
        run.journal.go_on(run.progress)
        if interrupted and not finished:
            raise KeyboardInterrupt


def _step(run: _Run, feed: Feed) -> None:
    """One optimizer step, its result left unread."""
    progress, session, share = run.progress, run.session, run.share
    rate = session.set_learning_rate(learning_rate_factor(share, run.config))
    num_rows = rows_of_step(share, run.config, session.num_processes)
    result = take_step(session, feed.take(num_rows // session.num_processes), row_parts(share, run.config))
    if run.config.ema_decay and share >= run.config.ema_from:
        run.average.update()
    is_alone = session.num_processes == 1  # processes agree on the time when they look
    progress.advance(
        seconds=run.clock.seconds if is_alone else progress.seconds,
        rows=num_rows,
        tokens=num_rows * run.config.row_tokens,
    )
    run.unread.append((result, {"step": progress.step, "tokens": progress.tokens, "learning_rate": rate}))


def _is_time_to_look(run: _Run) -> bool:
    """Whether to wait for the device: where that costs nothing, every `log_steps`, and where something else is due."""
    return (
        run.session.accelerator.device.type == "cpu"
        or len(run.unread) >= run.config.log_steps
        or run.share >= 1.0
        or _is_due(run, run.config.eval_steps)
        or _is_due(run, run.config.checkpoint_steps)
    )


def _look(run: _Run, interruption: Interruption) -> bool:
    """Read, judge and tell what the last steps came to; returns whether any process was asked to stop.

    Raises: DivergenceError.
    """
    session, progress = run.session, run.progress
    seconds, interrupted = _agreed(session, run.clock.seconds, interruption.requested)
    progress.seconds = seconds
    losses = session.total(torch.stack([result.loss for result, _ in run.unread])).tolist()
    norms = torch.stack([result.gradient_norm for result, _ in run.unread]).tolist()
    entries = []
    for loss, norm, (_, entry) in zip(losses, norms, run.unread, strict=True):
        _judge(run, int(entry["step"]), loss, norm)
        progress.note_loss(loss)
        entries.append({**entry, "loss": loss, "gradient_norm": norm})
    run.unread.clear()
    run.journal.steps(entries, progress, run.share)
    return interrupted


def _agreed(session: Session, seconds: float, requested: bool) -> tuple[float, bool]:
    """The clock and the wish to stop that all processes share: if each had its own, one would wait for the others."""
    if session.num_processes == 1:
        return seconds, requested
    mine = torch.tensor([[seconds, float(requested)]], device=session.accelerator.device)
    latest, any_requested = session.accelerator.gather(mine).amax(dim=0).tolist()
    return latest, bool(any_requested)


def _judge(run: _Run, step: int, loss: float, norm: float) -> None:
    scaled = run.session.accelerator.mixed_precision == "fp16"
    try:
        judge_step(run.progress, step, loss, norm, spike_nats=run.config.spike_nats, scaled=scaled)
    except DivergenceError as error:
        last = latest_checkpoint(run.folder)
        kept = f"{last} is the last good checkpoint" if last else "there is no checkpoint yet"
        raise DivergenceError(
            f"{error}; {kept}: lower fit.learning_rate, now {run.config.learning_rate:g}, and run again"
        ) from error


def _evaluate(run: _Run) -> bool:
    """Look at the held-out loss and write samples; returns whether what would be exported is better than ever."""
    loss = run.heldout.score(run.session)
    if loss is not None:
        run.journal.heldout("heldout_loss", loss, run.progress)
    if run.average.num_updates:
        with run.average.in_place():
            of_mean = run.heldout.score(run.session)
        if of_mean is not None:
            run.journal.heldout("heldout_loss_of_mean", of_mean, run.progress)
            loss = of_mean if run.config.export == "average" else loss
    run.journal.samples(complete(run.session, run.prompts, run.tokenizer), run.progress)
    return loss is not None and run.progress.note_heldout(loss.nats)


def _is_due(run: _Run, every: int) -> bool:
    return bool(every) and run.progress.step % every == 0


def _is_good_time_to_save(run: _Run) -> bool:
    """Whether a checkpoint is due; it waits while the loss may be jumping, so that the last one is from before."""
    minutes = run.config.checkpoint_minutes
    by_time = minutes and run.progress.seconds - run.saved_at > 60 * minutes
    run.save_is_waiting |= bool(by_time) or _is_due(run, run.config.checkpoint_steps)
    return run.save_is_waiting and not run.progress.steps_above


def _save(run: _Run) -> None:
    progress, session = run.progress, run.session
    progress.num_averaged = run.average.num_updates
    progress.machine, progress.watts = machine(session.accelerator.device, session.num_processes)
    if session.rows_at_once != run.config.batch_rows:
        progress.rows_at_once = session.rows_at_once
    save_checkpoint(
        run.folder, session.accelerator, progress, run.identity, keep=run.config.keep, save_more=run.average.save
    )
    run.saved_at, run.save_is_waiting = progress.seconds, False
