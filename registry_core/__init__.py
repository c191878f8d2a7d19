"""An OCI registry whose only state is one Azure Blob Storage container."""
