"""Every claim of the README about speed and quality, as a command: `make bench-NAME`."""
