"""What external catalogues hold of the objects of a release."""

from portal_release import row_id

from portal.data import (
    crossmatch,
)


def test_matches_of_an_object_name_every_catalogue(con) -> None:
    found = crossmatch.find_matches(con, row_id(0)).to_pandas()
    assert found["catalogue"].tolist() == ["radio", "xray"]
    assert found["match_state"].tolist() == ["not_queried", "matched"]
    assert found["match_id"].tolist()[1] == "X1"
