"""Prints what all of DR1 takes on paper: hours, money and what saturates first.

Usage: python benchmarks/dr1_plan.py [--chain-us 1000] [--link-mb 1200] [--core-hour 0.05] ...

Spectra, bytes and requests are those of DR1; the chain's microseconds per spectrum are what
``benchmarks/chain.py`` prints, the rest are assumptions to be replaced by one's own.
"""

import argparse

QUASARS = 1_550_000
# Bytes and requests per quasar (read_coadd.py): rows with a 16 KiB gap, whole HDUs, whole files.
# A file's index and list of targets come with them.
MODES = {"rows": (97e3, 8.5), "whole HDUs": (796e3, 0.15), "whole files": (3.72e6, 0.02)}
# The redshift catalogue is read once, by one machine.
CATALOGUE_BYTES = 22.4e9
CORES_OF_A_MACHINE = 16
CORES = (1, 16, 256)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--chain-us", type=float, default=1000, help="CPU us per spectrum, FITS to restframe")
    add("--request-us", type=float, default=1000, help="CPU us per request")
    add("--byte-ns", type=float, default=1.5, help="CPU ns per fetched byte (TLS, copies)")
    add("--latency-ms", type=float, default=30, help="to a request's first byte")
    add("--concurrency", type=int, default=16, help="requests at a time per core")
    add("--link-mb", type=float, default=1200, help="MB/s that one machine of 16 cores receives")
    add("--disk-mb", type=float, default=500, help="MB/s that the lake's store takes per machine")
    add("--core-hour", type=float, default=0.05, help="price of a core for an hour")
    add("--gb-out", type=float, default=0.0, help="price of a GB out of the source; same region: 0")
    add("--kept-kb", type=float, default=82, help="kB per spectrum written, coadds and restframe")
    options = parser.parse_args()
    print(f"{QUASARS:,} quasars; prices in the unit of --core-hour ({options.core_hour})\n")
    print(f"{'cores':>6}  {'mode':13}{'TB':>7}{'hours':>9}{'money':>9}  saturates first")
    for cores in CORES:
        machines = max(1, cores // CORES_OF_A_MACHINE)
        catalogue_hours = CATALOGUE_BYTES / (1e6 * options.link_mb) / 3600
        for mode, (n_bytes, n_requests) in MODES.items():
            work = options.chain_us + options.request_us * n_requests
            # Microseconds per spectrum that each resource needs; they overlap.
            limits = {
                "processor": (work + options.byte_ns * n_bytes / 1e3) / cores,
                "latency": 1e3 * options.latency_ms * n_requests / options.concurrency / cores,
                "network": n_bytes / options.link_mb / machines,
                "disk": 1e3 * options.kept_kb / options.disk_mb / machines,
            }
            first = max(limits, key=lambda name: limits[name])
            hours = QUASARS * limits[first] / 3.6e9 + catalogue_hours
            money = hours * cores * options.core_hour + options.gb_out * QUASARS * n_bytes / 1e9
            total = QUASARS * n_bytes / 1e12
            print(f"{cores:6}  {mode:13}{total:7.2f}{hours:9.3f}{money:9.2f}  {first}")


if __name__ == "__main__":
    main()
