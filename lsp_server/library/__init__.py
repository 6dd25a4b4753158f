"""The models of one user, in their data folder: kept, shared, chosen, deleted. Reads no weights, knows no LSP."""
