"""A programmer who writes real code with suggestions on: what do they save, and how often are they wrong?"""
