"""What a person's commands do, without a word to the terminal: start, stop, status, waiting. `cli` dresses it."""
