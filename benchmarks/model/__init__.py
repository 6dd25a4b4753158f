"""How good a model is: at text that it never saw, and at programs that are run."""
