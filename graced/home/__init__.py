"""What is on disk in a home: paths, role records, locks, slots, kept configuration and environment, announced stops."""
