#!/bin/sh
# Installs what some extras of this project need, pinned, for a Python:
#
#   deploy/install-dependencies.sh PYTHON EXTRA[,EXTRA...]
#
# TORCH_INDEX names an index of torch's CPU builds. Without it, or where it does not answer, torch
# comes from where pip finds all else, which on Linux is a CUDA build of several gigabytes.
set -eu
python=$1 extras=$2
cd "$(dirname "$0")/.."

install() {
    "$python" -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt "$@"
}

# pip first, so that no step depends on the one that a venv or an image brought.
install pip

# The CPU index is asked for torch alone.
case ",$extras," in
*,pipeline,*)
    if [ -n "${TORCH_INDEX:-}" ]; then
        install --no-deps --extra-index-url "$TORCH_INDEX" torch
    elif [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
        echo "note: no GPU here; TORCH_INDEX saves gigabytes, see README.md, Start"
    fi
    ;;
esac

# What comes as source is built in isolation, by the pinned tools.
install --build-constraint constraints.txt --only-deps ".[$extras]"

# pip compiles on one core; a few files of the packages are meant for another Python.
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m compileall -qq -j 0 "$site" || true
