"""Declarations of kinds of data drawn by hypothesis."""

import pyarrow as pa
from hypothesis import strategies as st

from catalog_schema import desi
from catalog_schema.column import Column
from catalog_schema.measurements import Measurement
from catalog_schema.statistics import Statistic
from catalog_schema.vocabulary import Described
from catalog_schema.waist import Condition, Waist

KEY = (desi.SURVEY, desi.PROGRAM, desi.HEALPIX, desi.TARGETID)


class Pebble(Described):
    NORMAL = "normal", "As its neighbours."
    ARTEFACT = "artefact", "A slip of the pen."
    CRYSTAL = "crystal", "It shines."


class Blank(Described):
    SAND = "sand", "Too small."
    BRICK = "brick", "Made by people."


class Slip(Described):
    SMEARED = "smeared", "The pen was wet."


def make_column(name: str) -> Column:
    return Column(name, pa.float64(), f"Column {name}.", "stat.value")


@st.composite
def make_waists(draw: st.DrawFn) -> Waist:
    """Draw a declaration of one to four statistics and conditions, of up to three measurements."""
    n_statistics, n_conditions = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    reasons = {f"reason_{k}": f"Reason {k}." for k in range(draw(st.integers(1, 3)))}
    return Waist(
        noun="pebble",
        nouns="pebbles",
        member="stone",
        members="stones",
        alike="weight and colour",
        key=KEY,
        conditions=tuple(
            Condition(
                make_column(f"condition_{k}"), draw(st.floats(0.01, 100)), draw(st.booleans())
            )
            for k in range(n_conditions)
        ),
        statistics=tuple(
            Statistic(
                f"statistic_{k}",
                draw(st.sampled_from(sorted(reasons))),
                draw(st.booleans()),
                draw(st.booleans()),
            )
            for k in range(n_statistics)
        ),
        reasons=reasons,
        classes=Pebble,
        controls=Blank,
        traits={f"trait_{k}": f"Trait {k}." for k in range(draw(st.integers(0, 2)))},
        measurements=tuple(
            Measurement(f"measured_{k}", "Something.") for k in range(draw(st.integers(0, 3)))
        ),
        faults=draw(st.sampled_from([None, Slip])),
        examples=draw(st.sampled_from([{}, {"normal": "normal", "gem": "crystal"}])),
    )
