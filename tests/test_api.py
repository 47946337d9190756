"""The public names: what each package exports, and whether its docstrings can be relied on."""

import ast
import importlib
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

SOURCE = Path(__file__).parents[1] / "src" / "tiltmeter"
PACKAGES = sorted(f"tiltmeter.{path.parent.name}" for path in SOURCE.glob("*/__init__.py") if path.parent.name != "cli")

# numpydoc's codes that are held. A docstring is there (GL08); its sections have known names (GL06) and stand in order
# (GL07); there is a one-line summary (SS01, SS06), starting with a capital (SS02), ending with a period (SS03), without
# leading spaces (SS04); no parameter is documented that does not exist (PR02) or in another order than in the signature
# (PR03), and none without a description (PR07). Not held: a description of what is returned beside its type (RT03),
# since here the annotation gives the type and the section is the description.
HELD = {"GL06", "GL07", "GL08", "SS01", "SS02", "SS03", "SS04", "SS06", "PR02", "PR03", "PR07"}


def exported(package: str) -> list[tuple[str, object]]:
    module = importlib.import_module(package)
    return [(f"{package}.{name}", getattr(module, name)) for name in module.__all__]


def documented(kind) -> list:
    """Every exported thing of a kind, as test parameters; a package that does not import fails a test of its own."""
    found = []
    for package in PACKAGES:
        try:
            names = exported(package)
        except (ImportError, AttributeError):
            continue
        found += [pytest.param(name, thing, id=name.removeprefix("tiltmeter.")) for name, thing in names if kind(thing)]
    return found


def is_function(thing: object) -> bool:
    return isinstance(thing, types.FunctionType)


def is_class(thing: object) -> bool:
    return inspect.isclass(thing)


def test_the_packages_of_the_design_are_found():
    assert {"tiltmeter.core", "tiltmeter.numerics", "tiltmeter.probes", "tiltmeter.evaluation"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_equals_what_the_package_exports(package):
    module = importlib.import_module(package)
    # what type checkers see is what the package finds when it is asked
    imports = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}.")
    ]
    listed = {alias.name for node in imports for alias in node.names if node.module != "tiltmeter.core.on_demand"}
    assert set(module.__all__) == listed
    assert len(module.__all__) == len(set(module.__all__))
    assert listed <= set(dir(module))
    # what a prompt offers after a dot
    assert not {"TYPE_CHECKING", "names_on_demand"} & set(dir(module))


def test_a_name_that_no_package_has_is_refused_as_python_does():
    with pytest.raises(ImportError, match=r"cannot import name 'MeanDiference' from 'tiltmeter\.probes'"):
        from tiltmeter.probes import MeanDiference  # noqa: F401
    with pytest.raises(AttributeError, match=r"'tiltmeter\.core' has no attribute 'Sight'"):
        importlib.import_module("tiltmeter.core").Sight  # noqa: B018


# pydantic is not among them: typer reads the arguments of a command with it
HEAVY = {"torch", "transformers", "sklearn", "scipy", "numpy", "pandas", "pyarrow", "altair", "ray"}


@pytest.mark.parametrize(
    "code",
    [
        "import tiltmeter",
        "from tiltmeter import activations, data, evaluation, models, probes, studies",
        "import runpy; sys.argv = ['tiltmeter', '--help']; runpy.run_module('tiltmeter', run_name='__main__')",
        "import runpy; sys.argv = ['tiltmeter', 'study', '--help']; runpy.run_module('tiltmeter', run_name='__main__')",
    ],
    ids=["root", "packages", "help", "help-of-a-command"],
)
def test_nothing_heavy_is_imported_before_it_is_used(code):
    told = "import atexit, sys; atexit.register(lambda: print('loaded:', *sys.modules, file=sys.stderr)); "
    done = subprocess.run([sys.executable, "-c", told + code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.partition("loaded: ")[2].split()}
    assert "tiltmeter" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_exported_from_another_package_of_ours(package):
    # what belongs to two jobs lives once, lower down
    strangers = [
        name
        for name, thing in exported(package)
        if (is_function(thing) or is_class(thing)) and not thing.__module__.startswith(package)
    ]
    assert strangers == []


@pytest.mark.parametrize(("name", "thing"), documented(lambda thing: is_function(thing) or is_class(thing)))
def test_every_public_docstring_validates(name, thing):
    held = [(code, message) for code, message in validate(name)["errors"] if code in HELD]
    assert held == []


@pytest.mark.long
@pytest.mark.parametrize(("name", "thing"), documented(lambda thing: is_function(thing) or is_class(thing)))
def test_a_parameters_section_names_the_parameters_of_the_signature(name, thing):
    document = Validator(get_doc_object(thing))
    listed = [one.strip() for entry in document.doc_all_parameters for one in entry.split(",")]
    if not listed:
        return
    signature = [one.lstrip("*") for one in inspect.signature(thing).parameters]
    assert listed == signature


@pytest.mark.parametrize(("name", "thing"), documented(is_function))
def test_every_public_function_has_an_example_that_runs(name, thing):
    assert ">>>" in (thing.__doc__ or "")
    assert "Examples\n    --------" in (thing.__doc__ or "")


@pytest.mark.parametrize(("name", "thing"), documented(is_function))
def test_a_public_function_takes_at_most_two_positional_and_seven_arguments(name, thing):
    parameters = inspect.signature(thing).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    assert len(positional) <= 2, [p.name for p in positional]
    assert len(parameters) <= 7
    assert not [p.name for p in parameters if p.kind == p.VAR_KEYWORD]


def methods(cls) -> list[tuple[str, object]]:
    return [
        (name, member)
        for name, member in vars(cls).items()
        if not name.startswith("_") and isinstance(member, types.FunctionType | classmethod | staticmethod | property)
    ]


@pytest.mark.parametrize(("name", "thing"), documented(is_class))
def test_every_public_method_has_a_docstring(name, thing):
    assert [method for method, member in methods(thing) if not inspect.getdoc(member)] == []
