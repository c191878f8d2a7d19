"""The sources of identities: who proves to be whom, and by which kind of secret."""
