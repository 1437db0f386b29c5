"""The immutable audit log: what a record is (`record`), how members append to it (`log`), how it is read (`read`)."""
