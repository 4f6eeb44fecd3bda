"""FDFS_* settings and STORAGES OPTIONS become one frozen Options.

`options` has what there is and every default, `values` says what each may be, `url` reads an FDFS_URL,
`sources` decides which of them counts.
"""

from .options import ENGINES, Options
from .secret import Secret, SecretLostError
from .sources import (
    NAMES,
    PREFIX,
    SETTINGS,
    Said,
    configured,
    generation,
    picklable,
    refuse_unknown,
    resolve,
    without_secrets,
)
from .values import did_you_mean

__all__ = [
    "ENGINES",
    "NAMES",
    "PREFIX",
    "SETTINGS",
    "Options",
    "Said",
    "Secret",
    "SecretLostError",
    "configured",
    "did_you_mean",
    "generation",
    "picklable",
    "refuse_unknown",
    "resolve",
    "without_secrets",
]
