"""Fitting: the loop, what it holds, and what it leaves behind. Stages and recipes reach it through `fit.loop`."""
