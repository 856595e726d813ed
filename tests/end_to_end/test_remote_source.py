"""The same survey from a bucket makes the release of the local tree, byte for byte."""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from command_line import Run, run_arguments, sums
from moto.server import ThreadedMotoServer

pytestmark = pytest.mark.slow

BUCKET = "desidata"


@pytest.fixture
def endpoint(survey: Path) -> Iterator[str]:
    """Address of an S3 server whose public bucket holds the survey under its folder's name."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    for path in survey.rglob("*.fits"):
        key = f"{survey.name}/{path.relative_to(survey).as_posix()}"
        client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes(), ACL="public-read")
    yield f"http://{host}:{port}"
    server.stop()


def test_bucket_makes_the_release_of_the_local_tree(
    survey: Path, finished: Path, endpoint: str, tmp_path: Path, qad: Run
) -> None:
    source, root = f"s3://{BUCKET}/{survey.name}", tmp_path / "root"
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint}
    done = qad(*run_arguments(source, root, acquire__mode="rows"), env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sums(root) == sums(finished)
    again = qad(*run_arguments(source, root), env=environment)
    assert again.returncode == 0
    stages = [line for line in again.stdout.splitlines() if " made, " in line]
    assert all(" 0 made, " in line for line in stages), again.stdout
    [card] = finished.glob("models/*/model.json")
    scored = qad(
        "score", "--model", card.parent, "--source", source, "--root", root, env=environment
    )
    assert scored.returncode == 0, scored.stderr
    planned = qad(
        "acquire", "--plan", "--source", source, "--root", tmp_path / "new", env=environment
    )
    assert planned.returncode == 0, planned.stderr
    assert "shards      3 of 3 usable" in planned.stdout
