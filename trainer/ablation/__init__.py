"""One recipe trained several times, each time with one thing changed, and judged alike."""
