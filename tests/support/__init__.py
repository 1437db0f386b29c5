"""What the tests on real processes share: one home under test, a witness of what must never happen, kernels to run."""
