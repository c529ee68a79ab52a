#!/usr/bin/env python3
"""Write tests/advisories.toml again from a clone of the RustSec advisory database.

    git clone URL-OF-THE-DATABASE FOLDER
    scripts/advisories.py FOLDER

The database is free to use (CC0, some entries CC-BY 4.0). Only names, identifiers and versions are copied.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

TARGET = Path(__file__).parent.parent / "tests" / "advisories.toml"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def advisory(file: Path) -> dict:
    """The TOML block at the start of an advisory."""
    text = file.read_text(encoding="utf-8")
    return tomllib.loads(text.split("```toml\n", 1)[1].split("\n```", 1)[0])


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    rows = []
    for file in sorted((folder / "crates").glob("*/RUSTSEC-*.md")):
        found = advisory(file)
        about, versions = found["advisory"], found.get("versions", {})
        if "withdrawn" in about or about["id"].startswith("RUSTSEC-0000"):
            continue
        row = {"id": about["id"], "crate": about["package"], "kind": about.get("informational", "vulnerability")}
        row |= {key: versions[key] for key in ("patched", "unaffected") if versions.get(key)}
        rows.append("  { " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in row.items()) + " },\n")
    commit, date = git(folder, "log", "-1", "--format=%H"), git(folder, "log", "-1", "--format=%cs")
    TARGET.write_text(
        "# The advisories of the RustSec database about published crates, for the test in tests/it/advisories.rs.\n"
        "# Written by scripts/advisories.py.\n"
        f'commit = "{commit}"\ndate = {date}\nadvisories = [\n{"".join(rows)}]\n',
        encoding="utf-8",
    )
    print(f"{TARGET}: {len(rows)} advisories of {date}")


if __name__ == "__main__":
    main()
