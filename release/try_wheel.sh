#!/bin/sh
# Try an installed Tiltmeter as somebody would who has no checkout: release/try_wheel.sh VENV
# In an empty folder, from the bundled model alone: a spec, what it would cost, the study, its report, and scores.
set -eu
bin=$(cd "$1/bin" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

"$bin/python" - <<'PYTHON'
import pathlib

import tiltmeter

package = pathlib.Path(tiltmeter.__file__).parent
assert "site-packages" in package.parts, f"{package} is no installed package"
assert (package / "py.typed").is_file(), "py.typed is not in the wheel"
print("installed in", package)
PYTHON
"$bin/tiltmeter" --version
"$bin/tiltmeter" doctor organism:facts
"$bin/tiltmeter" init organism:facts/affirmative --model organism:facts --name facts
"$bin/tiltmeter" study facts.yaml --dry-run
"$bin/tiltmeter" study facts.yaml --out run
test -s run/report.html && test -s run/evidence.json
"$bin/tiltmeter" report run
"$bin/tiltmeter" score run organism:facts/negated > scores.jsonl
test "$(wc -l < scores.jsonl)" -gt 1000
echo "The wheel runs the demo: $(wc -l < scores.jsonl) texts scored."
