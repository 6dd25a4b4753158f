"""The model as data: network, tokenizer, prompt layout and the bundle that holds them on disk."""
