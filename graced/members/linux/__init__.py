"""The real outside of a member (graced.members.outside): Linux, ZeroMQ, SQLite. Thin: nothing here decides."""
