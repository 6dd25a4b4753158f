"""The pure pipeline: snapshot -> context -> prompt -> engine -> trim -> suggestions. Knows neither torch nor pygls."""
