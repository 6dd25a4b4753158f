"""From a corpus and a time budget to a recipe: which size, how often over the text, in what batches.

laws -> what a size and a number of tokens, repeats included, should come to
shapes -> the sizes there are to choose from
probe -> how many tokens a second each size learns from on this machine
choice -> the size that should come to the lowest loss, and the recipe around it
words -> the same for a person
"""
