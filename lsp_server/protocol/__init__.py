"""The Language Server Protocol. pygls and lsprotocol are imported here and nowhere else."""
