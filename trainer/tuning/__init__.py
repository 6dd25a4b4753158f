"""Fine-tuning a pretrained causal language model: its vocabulary, its network, replay, and its result."""
