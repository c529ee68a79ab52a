# Recipes for people who work on matenv. `just` alone lists them.

[private]
default:
    @just --list

# Form and lints
[group('check')]
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Tests, or those whose name holds NAME
[group('check')]
test NAME='':
    cargo test {{ NAME }}

# Real packages, from nothing to a proven environment (20 GB of disk, removed afterwards)
[group('check')]
e2e:
    scripts/e2e.sh

# The GPU profiles on a machine that needs no GPU: real CUDA wheels, a driver that does nothing (25 GB of disk)
[group('check')]
e2e-gpu:
    scripts/e2e-gpu.sh

# That a prefix's Python finds CUDA's libraries, with a driver that does nothing; --without: that it does not without the hook
[group('check')]
stub-proof PREFIX *OPTIONS:
    cargo build
    scripts/stub-proof.sh {{ PREFIX }} target/debug/matenv {{ OPTIONS }}

# Look at changed snapshots (needs cargo-insta)
[group('check')]
review:
    cargo insta review

# All of it, the way CI does
[group('check')]
ci:
    .ci/run

# matenv and uv install the same set; prints the ratio
[group('measure')]
bench:
    cargo bench --bench install

# Write the pages and schemas of docs/reference from the code
[group('data')]
gen:
    MATENV_GEN=1 cargo test --test it reference::

# Write the benchmark's model and reference again
[group('data')]
bench-model:
    python3 scripts/make-bench-model.py

# Read the numbers behind the GPU stacks off the published wheels, and show what differs from profiles/stacks.toml
[group('data')]
stacks *OPTIONS:
    scripts/stacks.py {{ OPTIONS }}
