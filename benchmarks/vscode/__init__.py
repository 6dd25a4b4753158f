"""What the VS Code extension adds to the server's own time."""
