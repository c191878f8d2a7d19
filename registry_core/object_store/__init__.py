"""The object store: the interface, and its implementations in memory and on Azure Blob Storage."""
