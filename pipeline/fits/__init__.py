"""FITS files, read by ranges: headers, tables, images, checksums."""
