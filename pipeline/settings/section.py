"""What every section of the configuration is, and the bounds that several share."""

from pydantic import BaseModel, ConfigDict

# Of NumPy's and scikit-learn's generators.
MAX_SEED = 2**32 - 1
# More rows than any survey has.
ALL_ROWS = 10**9


class Section(BaseModel):
    """A section of the configuration: frozen, no unknown key, no silent conversion.

    Every number is finite and has bounds: beyond them it is a slip of the pen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
