"""A checker for the Bicep of infra/, for want of a compiler.

It reads Bicep with tree-sitter, resolves names, modules and parameters, compares what is deployed
with the REST models of Azure's management packages, and works out what a deployment would be. It
refuses what it does not understand. What it cannot see: whether a region has what is asked for,
what a property's text may be where no list says so, and whether an API version older than the
packages' has a property already.
"""

from .checking import check
from .deployment import Deployed, Instance, Refused
from .syntax import Problem
from .template import Template, read_template

__all__ = ["Deployed", "Instance", "Problem", "Refused", "Template", "check", "read_template"]
