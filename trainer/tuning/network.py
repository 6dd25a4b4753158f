"""The network that fine-tuning trains: a pretrained model, in full or with adapters, behind the loop's interface.

Shape suffixes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lsp_server.errors import CheckpointError, RecipeError
from lsp_server.model.gpt2 import GPT2, to_hf
from trainer.config import Recipe
from trainer.tuning.pretrained import load_network, load_vocabulary
from trainer.tuning.result import as_gpt2
from trainer.tuning.settings import TuningConfig

_TELLS_OF_TIES = "accelerate.utils.other"
"""accelerate's module that warns at every checkpoint of a network with tied weights, which `load_weights` reads."""


class PretrainedNetwork(nn.Module):
    """Token ids in, next-token logits out."""

    def __init__(self, model: Any, added_ids: tuple[int, ...]) -> None:
        """`model`: a GPT-2 of ours, transformers' or peft's model, hence Any."""
        super().__init__()
        self.model = model
        self.added_ids = added_ids

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Logits, BTV."""
        is_ours = isinstance(self.model, GPT2)
        logits_BTV: Tensor = self.model(ids_BT) if is_ours else self.model(input_ids=ids_BT, use_cache=False).logits
        return logits_BTV


def build_tuned(recipe: Recipe) -> PretrainedNetwork:
    """Load the pretrained model with rows for our sentinels, and put adapters in if the recipe asks for them.

    A GPT-2 that learns in full learns as our own network: 2,350 tokens a second against transformers' 2,050 (the
    embedded model, 8 x 512 in bf16 on two cores of an EPYC).
    Raises: RecipeError or CheckpointError when it cannot be had, or has no layer of that name.
    """
    logging.getLogger(_TELLS_OF_TIES).addFilter(_is_of_no_tie)
    vocabulary = load_vocabulary(recipe.model)
    model = load_network(recipe.model, vocabulary.num_ids)
    if recipe.tuning.method == "lora":
        model = _with_adapters(model, recipe.tuning, vocabulary.added_ids)
    else:
        model = as_gpt2(model, recipe.model.dropout) or model
    if recipe.tuning.method == "blocks":
        _let_last_blocks_learn(model, recipe.tuning.last_blocks)
    return PretrainedNetwork(model, vocabulary.added_ids)


def _let_last_blocks_learn(model: Any, count: int) -> None:
    """What is below them is read and not learnt, so nothing goes back through it. Raises: RecipeError."""
    if not isinstance(model, GPT2):
        raise RecipeError('tuning.method is "blocks", which only a GPT-2 like ours can do: choose "lora" or "full"')
    if count > len(model.h):
        raise RecipeError(f"tuning.last_blocks is {count}, and the model has {len(model.h)}: lower it")
    model.requires_grad_(requires_grad=False)
    for part in (*model.h[-count:], model.ln_f):
        part.requires_grad_(requires_grad=True)


def _is_of_no_tie(record: logging.LogRecord) -> bool:
    return "Removed shared tensor" not in str(record.msg)


def _with_adapters(model: Any, config: TuningConfig, added_ids: tuple[int, ...]) -> Any:
    """LoRA (arXiv 2106.09685) by peft; the added rows learn in full, in both tables where they are not tied."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(config.targets) or "all-linear",
        fan_in_fan_out=model.config.model_type == "gpt2",  # its Conv1D is transposed
        trainable_token_indices=_rows_that_learn(model, added_ids),
    )
    try:
        with warnings.catch_warnings():  # of transformers' own renamings, in peft's code
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(model, settings)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if hasattr(part, "weight")})
        raise RecipeError(
            f"tuning.targets is {list(config.targets)}, which this model does not have: its layers are "
            f"{', '.join(names)}"
        ) from error


def _rows_that_learn(model: Any, added_ids: tuple[int, ...]) -> dict[str, list[int]] | None:
    if not added_ids:
        return None
    tables = [model.get_input_embeddings()]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not tables[0].weight:
        tables.append(output)
    names = {part: name.rpartition(".")[2] for name, part in model.named_modules()}
    return {names[table]: list(added_ids) for table in tables}


def merged_model(recipe: Recipe, state: Mapping[str, Tensor]) -> Any:  # Any: transformers' model
    """A transformers model with a checkpoint's weights, adapters merged in, drawn back towards the base if asked.

    Raises: CheckpointError when the weights are not those of the recipe's network.
    """
    network = build_tuned(recipe)
    load_weights(network, state)
    model = network.model
    if recipe.tuning.method == "lora":
        model = model.merge_and_unload()
    elif isinstance(model, GPT2):
        model = load_network(recipe.model, model.config.vocab_size)
        model.load_state_dict(to_hf(network.model.state_dict()), strict=False)  # of tied ones it holds but one
    model.eval()
    if recipe.tuning.interpolation < 1:
        base = load_network(recipe.model, model.get_input_embeddings().num_embeddings)
        interpolate(model, base, recipe.tuning.interpolation, network.added_ids)
    return model


def load_weights(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Raises: CheckpointError when a weight is missing or strange; of tied ones a checkpoint holds but one."""
    own = network.state_dict(keep_vars=True)
    try:
        missing, unexpected = network.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the checkpoint does not fit model.pretrained ({reason}): put the recipe back"
        ) from error
    loaded = {own[name].data_ptr() for name in state if name in own}
    lost = [name for name in missing if own[name].data_ptr() not in loaded]
    if lost or unexpected:
        raise CheckpointError(
            f"the checkpoint does not fit model.pretrained (it lacks {lost[:3]}, and has {list(unexpected)[:3]}): "
            "put the recipe back"
        )


def interpolate(tuned: nn.Module, base: nn.Module, share: float, added_ids: tuple[int, ...] = ()) -> None:
    """Set every weight of `tuned` to share * tuned + (1 - share) * base; rows the base never learnt stay tuned.

    Source: WiSE-FT, arXiv 2109.01903, equation 1.
    """
    others = dict(base.named_parameters())
    tables = {id(table.weight) for table in _tables(tuned)}
    for name, parameter in tuned.named_parameters():
        mixed, other = parameter.data, others[name].data.to(parameter.dtype)
        if id(parameter) not in tables:
            mixed.lerp_(other, 1 - share)
            continue
        learnt = mixed[list(added_ids)].clone()
        num_rows = min(len(mixed), len(other))
        mixed[:num_rows].lerp_(other[:num_rows], 1 - share)
        mixed[list(added_ids)] = learnt


def _tables(model: nn.Module) -> list[Any]:
    """Input and output embeddings: what has a row for each token."""
    found = (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[operator]  # transformers' model
    return [table for table in found if table is not None]
