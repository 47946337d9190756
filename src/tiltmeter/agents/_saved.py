"""An agent on disk: weights in safetensors, world and spec in JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from tiltmeter.agents._agent import Agent, new_agent
from tiltmeter.agents._spec import AgentSpec
from tiltmeter.agents._world import GridWorld
from tiltmeter.core.errors import FormatError
from tiltmeter.core.files import new_folder, read_sealed, write_sealed

_FORMAT_VERSION = 1
_NETS = ("encoder", "decoder", "head")


def save_agent(agent: Agent, folder: str | Path) -> None:
    """Write an agent into a new folder, ``agent.json`` and ``agent.safetensors``; whole or not at all.

    Parameters
    ----------
    agent
        The agent.
    folder
        Must not exist.

    Raises
    ------
    FileError
        If the folder exists, or cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.agents import make_grid_world
    >>> folder = Path(tempfile.mkdtemp()) / "agent"
    >>> save_agent(new_agent(make_grid_world(0), AgentSpec(d_state=8), seed=0), folder)
    >>> sorted(path.name for path in folder.iterdir())
    ['agent.json', 'agent.safetensors']
    """
    weights = {
        f"{net}.{name}": tensor.contiguous()
        for net in _NETS
        for name, tensor in getattr(agent, net).state_dict().items()
    }
    content = to_safetensors(weights)
    head = {"world": agent.world.model_dump(mode="json"), "spec": agent.spec.model_dump(mode="json")}
    with new_folder(Path(folder)) as path:
        write_sealed(path, head, content=content, stem="agent", version=_FORMAT_VERSION)


def read_agent(folder: str | Path) -> Agent:
    """Read an agent that :func:`save_agent` wrote; it acts and values as the saved one, bit for bit.

    Parameters
    ----------
    folder
        Where it is.

    Raises
    ------
    FileError
        If one of the two files is not there.
    FormatError
        If they are of another version, damaged or changed.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.agents import make_grid_world
    >>> folder = Path(tempfile.mkdtemp()) / "agent"
    >>> save_agent(new_agent(make_grid_world(0), AgentSpec(d_state=8), seed=0), folder)
    >>> read_agent(folder).spec.d_state
    8
    """
    path = Path(folder)
    facts, content = read_sealed(path, stem="agent", what="an agent", version=_FORMAT_VERSION)
    try:
        world, spec = GridWorld.model_validate(facts["world"]), AgentSpec.model_validate(facts["spec"])
        weights = from_safetensors(content)
        agent = new_agent(world, spec, seed=0)
        for net in _NETS:
            own = {
                name.removeprefix(f"{net}."): tensor for name, tensor in weights.items() if name.startswith(f"{net}.")
            }
            getattr(agent, net).load_state_dict(own)
    except (KeyError, ValidationError, RuntimeError, SafetensorError) as error:
        raise FormatError(f"{path} lacks a part of an agent or holds a wrong one ({error}).") from error
    return agent
