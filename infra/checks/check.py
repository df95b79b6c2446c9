"""The infrastructure checks, offline: cfn-lint on the template and on what SAM makes of it,
our own assertions, and the proof that each of those can fail.

    python infra/checks/check.py [TEMPLATE]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import assertions
import events  # noqa: F401  registers its assertions, like the next three
import language  # noqa: F401
import rights  # noqa: F401
import selftest
import storage  # noqa: F401
import template


def lint(path, expanded):
    """cfn-lint's exit code. Of seeded mistakes it finds twice as many in the expanded template."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "expanded.json"
        copy.write_text(json.dumps(expanded, indent=1), encoding="utf-8")
        command = [Path(sys.executable).with_name("cfn-lint"), "-r", template.REGION, "--", path, copy]
        return subprocess.run(command, check=False).returncode


def main(arguments):
    path = Path(arguments[0]) if arguments else template.PATH
    source = template.load(path)
    checked = template.Template(source)
    failures = 0
    if lint(path, checked.expanded):
        failures += 1
    for name, violations in assertions.run(checked).items():
        failures += 1
        print(f"FAILED {name}")
        for violation in violations:
            print(f"    {violation}")
    if not failures:
        for sentence in selftest.run(source):
            failures += 1
            print(f"SELFTEST {sentence}")
    counts = f"{len(assertions.ALL)} assertions, {len(selftest.MISTAKES)} seeded mistakes"
    print(f"infra checks: {counts}, {failures} failed" if failures else f"infra checks: {counts}, all as they should be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
