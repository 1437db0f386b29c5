"""`graced demo`: real members and kernels in a temporary home are killed, hung and broken, and come back."""
