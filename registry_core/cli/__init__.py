"""The command line's commands: each adds its options, and runs with what they say."""
