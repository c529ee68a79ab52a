#!/usr/bin/env python3
"""Check a lab lock with py-rattler and as plain YAML.

    scripts/read-lock.py matenv.lock

Needs py-rattler and PyYAML; scripts/e2e.sh installs them.
"""

import sys

import rattler
import yaml


def main() -> int:
    path = sys.argv[1]
    lock = rattler.LockFile.from_path(path)
    wheels = records = 0
    for name, environment in lock.environments():
        for platform in environment.platforms():
            packages = environment.packages(platform) or []
            assert packages, f"{name} for {platform} is empty"
            for package in packages:
                if isinstance(package, rattler.PypiLockedPackage):
                    wheels += 1
                    assert package.hashes is not None and package.hashes.sha256, f"{name}: {package.name} has no SHA-256"
                else:
                    records += 1
                    record = package.package_record
                    assert record.sha256 and record.size and record.build and record.subdir, f"{name}: {package.name}"
    text = yaml.safe_load(open(path, encoding="utf-8"))
    pypi = [package for package in text["packages"] if "pypi" in package]
    conda = [package for package in text["packages"] if "conda" in package]
    assert all(len(package["sha256"]) == 64 for package in pypi + conda)
    print(f"{len(text['environments'])} environments, {wheels} wheels and {records} conda packages, each with its SHA-256")
    return 0


if __name__ == "__main__":
    sys.exit(main())
