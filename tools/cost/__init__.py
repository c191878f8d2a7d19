"""`cost`: what a month of the registry costs on Azure, beside a VM and Container Registry.

`traffic` says what a pull and a push ask for, `measured` what each request takes, `usage` what that
is in a month, `prices` what Azure asks for it, and `plans` writes the bills. docs/cost.md explains.
"""

from .command import add_cost

__all__ = ["add_cost"]
