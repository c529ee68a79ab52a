#!/usr/bin/env python3
"""Check two files of `matenv export` with py-rattler and with a validator of CycloneDX.

    scripts/read-exports.py EXPLICIT SBOM

Needs py-rattler and cyclonedx-python-lib[json-validation]; scripts/e2e.sh installs them.
"""

import json
import sys

import rattler
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def main() -> int:
    explicit, sbom = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
    lines = explicit.splitlines()
    urls = lines[lines.index("@EXPLICIT") + 1 :]
    for url in urls:
        spec = rattler.MatchSpec.from_url(url)
        assert spec.sha256 is not None and spec.sha256.hex() == url.rsplit(":", 1)[1], url
    print(f"py-rattler reads {len(urls)} packages with their SHA-256")

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom)
    assert error is None, error
    bom = Bom.from_json(json.loads(sbom))
    assert bom.validate()
    conda = [component for component in bom.components if str(component.purl).startswith("pkg:conda/")]
    assert len(conda) == len(urls), (len(conda), len(urls))
    for component in bom.components:
        assert component.hashes, component.name
        PackageURL.from_string(str(component.purl))
    print(f"CycloneDX 1.6 is valid: {len(bom.components)} components, each with a hash and a package URL")
    return 0


if __name__ == "__main__":
    sys.exit(main())
