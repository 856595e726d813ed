"""Values over their errors: of one or several measurements, known or not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.science.measured import Measured, find_significance

VALUES = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6))
ERRORS = st.one_of(st.just(float("nan")), st.floats(1e-3, 1e3), st.just(0.0), st.just(-1.0))


def find(value: object, error: object) -> np.ndarray:
    values, errors = np.array(value, float), np.array(error, float)
    return find_significance(Measured(values, errors, np.full(values.shape, np.nan)))


@given(st.lists(st.tuples(VALUES, ERRORS), min_size=1, max_size=8))
def test_value_over_error_or_the_value_where_none_is_known(pairs: list) -> None:
    values, errors = zip(*pairs, strict=True)
    wanted = []
    for value, error in pairs:
        if np.isnan(error):
            wanted.append(value)
        else:
            wanted.append(value / error if error > 0 else np.nan)
    np.testing.assert_array_equal(find(values, errors), wanted)
    np.testing.assert_array_equal(
        find([values, values], [errors, errors]), [wanted, wanted], "several at once"
    )


@given(value=st.floats(-1e6, 1e6), error=st.floats(1e-3, 1e3), factor=st.floats(1e-3, 1e3))
def test_units_do_not_matter_where_the_error_is_known(
    value: float, error: float, factor: float
) -> None:
    np.testing.assert_allclose(
        find([value * factor], [error * factor]), find([value], [error]), rtol=1e-12
    )
    assert find([-value], [error]) == -find([value], [error])


def test_none_measured_is_none_found() -> None:
    assert find(np.zeros((3, 0)), np.zeros((3, 0))).shape == (3, 0)
