"""What became of suggestions: followed in the documents, counted on this machine, shown to nobody but its user."""
