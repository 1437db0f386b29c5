"""The processes: one loop each, a shell around the pure core that does what it says and decides nothing."""
