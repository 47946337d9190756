"""Rules of the house that no linter holds. CONTRIBUTING.md says why; import rules are import-linter's."""

import ast
import functools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tiltmeter"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PROGRAMS = [*MODULES, *sorted((ROOT / "benchmarks").rglob("*.py"))]

MOST_LINES = 600
MOST_PUBLIC_METHODS = 10
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}


def each(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Look at all files in one test, which says where the rule is broken: thousands of tests take a while."""

    def of_all(rule: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            for path in paths:
                try:
                    rule(path)
                except AssertionError as error:
                    raise AssertionError(f"{path.relative_to(ROOT)}: {error}") from error

        test.__name__ = rule.__name__
        return test

    return of_all


each_module = each(MODULES)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a chain of attributes, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and dotted(node.value):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def our_files() -> list[Path]:
    """Every file that is or would be committed; outside a checkout, every file of the source tree."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for folder in ("src", "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*")]
    return [path for path in paths if path.is_file()]


def test_a_broken_rule_is_told_with_its_file():
    @each([SOURCE / "a.py", SOURCE / "b.py"])
    def rule(path):
        assert path.stem == "a", "no a"

    with pytest.raises(AssertionError, match=r"src/tiltmeter/b\.py: no a"):
        rule()


def test_there_is_something_to_look_at():
    assert len(MODULES) > 20 and len(TESTS) > 10 and len(our_files()) > 50


@each(PROGRAMS)
def test_a_source_file_has_at_most_600_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@each_module
def test_a_class_has_at_most_ten_public_methods(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            public = [
                item.name
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_")
            ]
            assert len(public) <= MOST_PUBLIC_METHODS, f"{node.name} has {len(public)} public methods"


@each([*PROGRAMS, *TESTS])
def test_no_file_or_folder_has_a_name_that_says_nothing(path):
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py").strip("_") for part in path.relative_to(ROOT).parts}


PACKAGES = [path for path in MODULES if path.name == "__init__.py" and path.parent != SOURCE]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_holds_a_docstring_imports_and_all(path):
    docstring, *rest = tree(path).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    assert docstring.value.value.strip()
    assert rest, "an empty package: it appears when it has real content"
    *imports, exports, last = rest
    # cli holds its program, and nothing is imported from it
    if path.parent.name == "cli":
        return
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    # what is re-exported is imported when it is asked for: core/on_demand.py
    assert isinstance(exports, ast.If) and dotted(exports.test) == "TYPE_CHECKING"
    assert all(isinstance(node, ast.ImportFrom) for node in exports.body)
    assert isinstance(last, ast.Assign) and dotted(last.targets[0]) == "__all__"


def test_the_root_package_holds_its_version_and_nothing_else():
    docstring, version = tree(SOURCE / "__init__.py").body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(version, ast.Assign) and dotted(version.targets[0]) == "__version__"


@pytest.mark.long
@each_module
def test_nobody_imports_the_package_root(path):
    if path.relative_to(SOURCE).parts[0] == "cli":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            assert "tiltmeter" not in [alias.name for alias in node.names], f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            if node.module == "tiltmeter":
                assert [alias.name for alias in node.names] == ["__version__"], f"line {node.lineno}"


@each_module
def test_a_private_file_is_imported_from_its_own_package_only(path):
    own = path.relative_to(SOURCE).parts[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tiltmeter."):
            _, package, *below = node.module.split(".")
            assert package == own or not any(part.startswith("_") for part in below), f"line {node.lineno}"


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"torch.save", "torch.load", "eval", "exec"}


def reads_tensors_only(call: ast.Call) -> bool:
    """Whether it is ``torch.load(..., weights_only=True)``, which runs no code of the file."""
    words = [keyword.value for keyword in call.keywords if keyword.arg == "weights_only"]
    only = [isinstance(word, ast.Constant) and word.value is True for word in words]
    return dotted(call.func) == "torch.load" and only == [True]


@each_module
def test_nothing_is_pickled_and_no_remote_code_is_trusted(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            assert not UNSAFE_MODULES & {alias.name.split(".")[0] for alias in node.names}, f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in UNSAFE_MODULES, f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert dotted(node.func) not in UNSAFE_CALLS or reads_tensors_only(node), f"line {node.lineno}"
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                assert not (is_true and keyword.arg in ("allow_pickle", "trust_remote_code")), f"line {node.lineno}"


@pytest.mark.parametrize(
    ("line", "is_allowed"),
    [
        ("torch.load(path, weights_only=True)", True),
        ("torch.load(path)", False),
        ("torch.load(path, weights_only=False)", False),
        ("torch.load(path, weights_only=only)", False),
        ("torch.save(path, weights_only=True)", False),
    ],
)
def test_only_tensors_may_be_loaded_from_what_others_pickled(line, is_allowed):
    assert reads_tensors_only(ast.parse(line, mode="eval").body) == is_allowed


@each_module
def test_no_work_is_left_as_a_note_in_the_source(path):
    words = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
    assert not re.findall(rf"\b({words})\b.*", path.read_text(encoding="utf-8"))


def reasons_missing(path: Path) -> list[str]:
    """Lines on which a test is skipped or expected to fail without a word on what lifts it."""
    missing = []
    for node in ast.walk(tree(path)):
        name = dotted(node.func if isinstance(node, ast.Call) else node) if isinstance(node, ast.expr) else ""
        if name not in {
            "pytest.skip",
            "pytest.importorskip",
            "pytest.xfail",
            "pytest.mark.skip",
            "pytest.mark.skipif",
            "pytest.mark.xfail",
            "unittest.skip",
        }:
            continue
        if isinstance(node, ast.Call):
            words = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            if name in ("pytest.skip", "pytest.xfail", "unittest.skip", "pytest.mark.skip"):
                words += node.args[:1]
            said = any(not isinstance(word, ast.Constant) or len(str(word.value)) > 15 for word in words)
            if not said:
                missing.append(f"line {node.lineno}: {name}")
        elif not any(isinstance(other, ast.Call) and other.func is node for other in ast.walk(tree(path))):
            # a bare mark has no room for a reason; the function of a call is looked at with its call
            calls = {
                (call.func.lineno, call.func.col_offset) for call in ast.walk(tree(path)) if isinstance(call, ast.Call)
            }
            if (node.lineno, node.col_offset) not in calls:
                missing.append(f"line {node.lineno}: {name} without a reason")
    return missing


@each(TESTS)
def test_every_skip_and_expected_failure_says_what_lifts_it(path):
    assert reasons_missing(path) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("pytest.skip()", True),
        ("pytest.skip('no')", True),
        ("@pytest.mark.xfail\ndef f(): ...", True),
        ("@pytest.mark.skipif(True)\ndef f(): ...", True),
        ("pytest.importorskip('ray')", True),
        ("@pytest.mark.skipif(True, reason='needs the extra hub to be installed')\ndef f(): ...", False),
        ("pytest.skip('until Chromium is installed')", False),
        ("x = 1", False),
    ],
)
def test_the_search_for_skips_finds_them(tmp_path, line, is_found):
    (tmp_path / "x.py").write_text(line)
    assert bool(reasons_missing(tmp_path / "x.py")) == is_found


def test_no_file_names_a_folder_of_somebodys_machine():
    # in pieces, so that this line does not find itself
    homes = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", "/Use" + r"rs/\w", r"[A-Z]:\\Users"]
    somewhere = re.compile("|".join(homes))
    found = []
    for path in our_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # binary
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if somewhere.search(line)
        ]
    assert found == []


def test_no_two_test_files_share_a_name():
    # pytest imports them by their names alone, and stops at the second
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


def test_every_method_module_of_the_probes_has_a_test_file_of_its_own():
    # the same paths, test_ in front; what is shared by all probes has its tests in test_contract.py
    methods = {path.stem for path in (SOURCE / "probes").glob("_*.py")} - {"__init__", "_probe"}
    tested = {path.stem.removeprefix("test") for path in (ROOT / "tests" / "probes").glob("test_*.py")}
    assert methods <= tested


@each(TESTS)
def test_a_test_is_named_by_a_sentence(path):
    names = [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in names if name.count("_") < 3] == []
    assert len(names) == len(set(names)), "two tests share a name, so that one never runs"
