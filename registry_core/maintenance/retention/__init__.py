"""Retention: which tags and untagged manifests go, by the operator's rules. See docs/retention.md.

Pure functions over values: what is in the container, and what is deleted, is garbage collection's.
"""

from .policy import NO_POLICY as NO_POLICY
from .policy import Expiry as Expiry
from .policy import RetentionPolicy as RetentionPolicy
from .policy import TagState as TagState
from .policy import UntaggedState as UntaggedState
