# Recipes for contributors. `just` without a recipe lists them.

[private]
default:
    @just --list

# Check the format and run the lints
[group('check')]
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Run the tests, or only those whose name contains NAME
[group('check')]
test NAME='':
    cargo test {{ NAME }}

# Check licenses, sources and forbidden crates by the rules in deny.toml
[group('check')]
deny:
    scripts/deny.sh

# Install real packages from an empty HOME and test the environments (20 GB of disk space, removed afterwards)
[group('check')]
e2e:
    scripts/e2e.sh

# Test the GPU profiles without a GPU: real CUDA wheels, a driver that does nothing (25 GB of disk space)
[group('check')]
e2e-gpu:
    scripts/e2e-gpu.sh

# Check with a stub driver that a prefix finds CUDA's libraries; --without: that it fails without the preload hook
[group('check')]
stub-proof PREFIX *OPTIONS:
    cargo build
    scripts/stub-proof.sh {{ PREFIX }} target/debug/matenv {{ OPTIONS }}

# Review changed snapshots (needs cargo-insta)
[group('check')]
review:
    cargo insta review

# Strike matenv at random moments and check that nothing is lost: signals, power cuts, full disks, bad servers
[group('check')]
chaos RUNS="100" SEED="1":
    cargo build --release --locked --bin matenv --example chaos
    cargo run --release --locked --example chaos -- --runs {{ RUNS }} --seed {{ SEED }}

# Run everything that CI runs
[group('check')]
ci:
    .ci/run

# Compare the times of matenv and uv for the same packages
[group('measure')]
bench:
    cargo bench --bench install

# Write docs/reference from the code: pages and schemas
[group('data')]
gen:
    MATENV_GEN=1 cargo test --test it reference::

# Write the model and the expected output of `matenv bench` again
[group('data')]
bench-model:
    python3 scripts/make-bench-model.py

# Write the copy of the advisories again, from a clone of the RustSec advisory database in DIR
[group('data')]
advisories DIR:
    scripts/advisories.py {{ DIR }}

# Read the versions of the GPU stacks from the published wheels and show differences to profiles/stacks.toml
[group('data')]
stacks *OPTIONS:
    scripts/stacks.py {{ OPTIONS }}

# Record `matenv install` and draw docs/assets/install.svg, the picture of README.md
[group('data')]
picture *MATENV:
    scripts/readme-picture.sh {{ MATENV }}
