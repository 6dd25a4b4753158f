"""The ladder: bigrams, a recurrent network and GPT-2s of growing depth, on one corpus, vocabulary and held-out text."""
