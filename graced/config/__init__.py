"""The configuration: `schema` is what members hold; the rest reads, checks and shows graced.yaml, for the CLI."""
