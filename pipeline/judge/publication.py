"""Which objects are published with their evidence."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.settings.spectra import ReconstructSettings


def choose_published(tiers: pa.Table, settings: ReconstructSettings) -> pa.Table:
    """Return the keys of the graded rows and of a sample of ungraded ones drawn by hash.

    The draw is that of the random audit, whose spectra reviewers must find here.
    """
    is_graded = pc.not_equal(tiers["tier"], Tier.NONE.value).to_numpy()
    ungraded = np.flatnonzero(~is_graded)
    others = tiers.take(pa.array(ungraded))
    draw = hash_to_unit(others["TARGETID"].to_numpy(), Stream.AUDIT)
    # Repeat observations share the draw.
    order = np.lexsort((*(others[name].to_numpy() for name in ("PROGRAM", "SURVEY")), draw))
    sample = ungraded[order[: settings.reference_sample]]
    rows = np.sort(np.concatenate([np.flatnonzero(is_graded), sample]))
    return tiers.select(ROW_KEY).take(pa.array(rows))
