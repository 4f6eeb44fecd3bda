"""What becomes of files when their rows do not come to be, or go.

Rules: a file that a row refers to is never deleted; where the outcome of a transaction is not known
for certain, the file stays and is written down as a suspect; nothing touches the network or a
database in a finalizer, in a forked child on behalf of its parent, or at exit.
"""

from . import bearers, journal
from .ledger import ledger
from .references import is_ours
from .removal import discard, settle
from .uploads import autocommits, in_transaction

__all__ = ["autocommits", "bearers", "discard", "in_transaction", "is_ours", "journal", "ledger", "settle"]
