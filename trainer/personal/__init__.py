"""A model of one's own: repositories in, a version in the user's library out, if it proves to be better.

Puts the trainer's stages together; what each does belongs to them. Nothing leaves the machine.
"""
