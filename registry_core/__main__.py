"""``python -m registry_core``, or ``moorage``: the command line."""

import sys


def run() -> int:
    """Run the command line, and return its exit code. Ctrl-C may come while it is being loaded."""
    try:
        from .cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("registry: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
