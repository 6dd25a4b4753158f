"""Token shards on disk: written by `pack`, read by `TokenStream`. Knows nothing of training."""

from trainer.packing.cached_encoder import CachedEncoder
from trainer.packing.stage import pack, require_current
from trainer.packing.stream import INDEX, SPLITS, TokenStream, read_index

__all__ = ["INDEX", "SPLITS", "CachedEncoder", "TokenStream", "pack", "read_index", "require_current"]
