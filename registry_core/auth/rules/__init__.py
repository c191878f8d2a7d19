"""Who may do what on which repositories, as one document says. See docs/access-rules.md."""

from .decisions import EVERYONE_KNOWN as EVERYONE_KNOWN
from .decisions import Explanation as Explanation
from .decisions import Rules as Rules
from .federation import Federation as Federation
from .problems import RulesInvalid as RulesInvalid
from .rule import INCLUDES as INCLUDES
from .rule import Rule as Rule
