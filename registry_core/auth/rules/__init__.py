"""Access rules: a document that says who may do what on which repositories. See access-rules.md."""

from .decisions import EVERYONE_KNOWN as EVERYONE_KNOWN
from .decisions import Explanation as Explanation
from .decisions import Rules as Rules
from .federation import Federation as Federation
from .rule import INCLUDES as INCLUDES
from .rule import Rule as Rule
