"""The local server: the registry and its storage on one machine, without the cloud or its tools."""
