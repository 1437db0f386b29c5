"""Playbooks: YAML that says, step by step, how something is recovered. No I/O here but reading the files."""
