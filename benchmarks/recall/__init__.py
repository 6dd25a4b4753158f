"""What the memory of the user's own code is worth, and where the constants of `recall/recollection.py` come from."""
