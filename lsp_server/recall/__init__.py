"""What the user's own code says comes next: an exact memory beside the model. Knows neither torch nor sockets."""
