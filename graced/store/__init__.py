"""state.db: what graced must know after everyone died. `db` is the file and its troubles, `tables` what is in it."""
