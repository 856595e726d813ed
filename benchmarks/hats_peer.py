"""Writes a HATS collection with hats-import; run by the python of the peers' environment.

Usage: PYTHON benchmarks/hats_peer.py QUASARS_PARQUET OUTPUT; prints wall and CPU seconds as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

from dask.distributed import Client
from hats_import import CollectionArguments, pipeline_with_client


def main() -> None:
    """Write primary and margin as a release does, with one worker.

    The index is left to us: on Python 3.11 hats-import makes it with a dask of March 2025 only.
    """
    source, output = map(Path, sys.argv[1:])
    begin = time.perf_counter()
    arguments = (
        CollectionArguments(
            output_artifact_name="collection", output_path=output, progress_bar=False
        )
        .catalog(
            input_file_list=[source],
            file_reader="parquet",
            ra_column="TARGET_RA",
            dec_column="TARGET_DEC",
            use_healpix_29=True,
            add_healpix_29=False,
            pixel_threshold=100_000,
            highest_healpix_order=6,
            create_thumbnail=True,
            create_per_partition_stats=True,
            output_artifact_name="quasars",
        )
        .add_margin(margin_threshold=10.0, is_default=True, output_artifact_name="margin")
    )
    with Client(n_workers=1, threads_per_worker=1, local_directory=output) as client:
        pipeline_with_client(arguments, client)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    peak = max(each.ru_maxrss for each in used) / 1e3
    print(json.dumps({"wall": time.perf_counter() - begin, "cpu": cpu, "peak": peak}))


if __name__ == "__main__":
    main()
