#!/bin/sh
# Stands in the worker's place in unit tests: does what the environment's own script says.
exec /bin/sh "$CONDA_PREFIX/worker.sh"
