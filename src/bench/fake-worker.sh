#!/bin/sh
# Replaces the worker in unit tests: runs the script in the environment.
exec /bin/sh "$CONDA_PREFIX/worker.sh"
