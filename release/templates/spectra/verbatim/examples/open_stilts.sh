#!/bin/sh
# The strangest objects with STILTS; run it from the folder of the release.
# TOPCAT opens the same file: topcat vo/anomalies.vot
stilts tpipe in=vo/anomalies.vot cmd="head 10" \
    cmd="keepcols 'TARGETID TARGET_RA TARGET_DEC Z finding tier q_value'" ofmt=text
