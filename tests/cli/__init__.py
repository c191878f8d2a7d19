"""The command line's commands on storage."""
