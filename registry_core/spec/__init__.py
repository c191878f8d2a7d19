"""The vocabulary of the OCI specifications as values: pure, standard library only, no I/O."""
