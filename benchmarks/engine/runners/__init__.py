"""One program for each engine: it loads a model and answers the questions of `benchmarks.engine.protocol`."""
