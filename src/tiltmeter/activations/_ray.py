"""The same collection on many processes or machines: an actor pool of Ray Data holds the model and writes shards."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations._collect import Collected, ask, into_store
from tiltmeter.activations._local import LocalEngine
from tiltmeter.activations._manifest import NotWrittenError, Part, Shard
from tiltmeter.activations._massive import Spread
from tiltmeter.activations._planned import Plan, read_plan
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._progress import Meter, OnProgress, reporting, silent
from tiltmeter.core import errors
from tiltmeter.core.errors import MissingExtraError, ModelError, SpecError, TiltmeterError
from tiltmeter.core.records import Record
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, LoadedFrom, Sites, SubjectModel, load

# what a worker sends back is a name and a hash
_OBJECT_STORE_BYTES = 100 << 20
_TOKENS, _TOKENS_ON_GPU = 2048, 16384


class RayWorkers(Record):
    """How many processes read, and where.

    Parameters
    ----------
    n
        Workers; each holds the model.
    cpus, gpus
        Of each. With ``gpus`` above 0 its model is put on CUDA; a fraction lets workers share a GPU.
    address
        Of a running cluster, ``"auto"`` on one of its machines; None starts one on this machine for this call.
    token_budget
        Most tokens in a batch of theirs; None for 2,048 on processors and 16,384 on GPUs, of which nothing is known
        here.
    """

    n: int = 2
    cpus: float = 1
    gpus: float = 0
    address: str | None = None
    token_budget: int | None = None


def collect_on_ray(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    store: str | Path,
    sites: Sites = "all",
    pooling: Reading = "last",
    workers: RayWorkers | None = None,
    progress: bool | OnProgress = False,
) -> Collected:
    """Read a model on texts with many workers, into a store.

    The store is the one that :func:`collect` writes: the batches are planned here, once, and written to the manifest
    before any worker starts; a worker computes whole shards. It holds the same rows, ids and dtypes, and values that
    differ by rounding, since workers have other numbers of threads. Nothing is warned of that only rows show
    (coordinates that hold most of the variance), for workers keep their rows. A worker that dies is started again and
    its shard is computed again; a run that was stopped goes on with either function.

    Parameters
    ----------
    subject
        A model that :func:`tiltmeter.models.load` made: workers load it again from there, and refuse another one.
    texts
        As in :func:`collect`.
    store
        A folder that all workers see under this path.
    sites, pooling
        As in :func:`collect`.
    workers
        None for two on this machine.
    progress
        As in :func:`collect`.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    SpecError
        If the model was not made by ``load``, or the number of workers is not positive.
    ModelError
        If a worker cannot go on, for another reason than an error that :func:`collect` would raise too.

    See Also
    --------
    collect : In this process; raises as stated there.

    Examples
    --------
    >>> subject = load("Qwen/Qwen3-0.6B")  # doctest: +SKIP
    >>> acts = collect_on_ray(subject, texts, store="acts", workers=RayWorkers(n=8, gpus=1))  # doctest: +SKIP
    """
    chosen = RayWorkers() if workers is None else workers
    if chosen.n < 1:
        raise SpecError(f"workers.n is {chosen.n}; give at least one.")
    if subject.loaded_from is None:
        raise SpecError(f"Ray's workers load the model themselves; make {subject.name} with models.load, not bind.")
    engine = _RayEngine(subject.loaded_from, digest=subject.fingerprint.digest, rule=pooling, workers=chosen)
    budget = chosen.token_budget or (_TOKENS_ON_GPU if chosen.gpus else _TOKENS)
    asked = ask(subject, texts, sites=sites, pooling=pooling, token_budget=budget)
    asked = asked._replace(is_budget_asked=chosen.token_budget is not None)
    with _cluster(chosen), reporting(progress) as tell:
        return into_store(asked, store, engine=engine, tell=tell)


class _RayEngine:
    """Hands shards to an actor pool."""

    def __init__(self, model: LoadedFrom, *, digest: str, rule: Reading, workers: RayWorkers) -> None:
        self._model = model
        self._digest = digest
        self._rule = rule
        self._workers = workers

    def __call__(self, folder: Path, part: Part, plan: Plan, shards: Sequence[int], meter: Meter) -> Iterator[Shard]:
        """Yield shards as workers finish them."""
        ray = _ray()
        if not shards:
            return
        done = ray.data.from_items([{"shard": k} for k in shards], override_num_blocks=len(shards)).map_batches(
            _Reader,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(self._workers.n, len(shards))),
            num_cpus=self._workers.cpus,
            num_gpus=self._workers.gpus or None,
            fn_constructor_args=(
                str(folder.resolve()),
                part.model_dump_json(),
                self._model.model_dump_json(),
                self._digest,
                self._rule,
                "cuda" if self._workers.gpus else "cpu",
            ),
        )
        lengths = np.diff(plan.tokens.offsets)
        try:
            for row in done.iter_rows():
                if row["error"]:
                    raise _raised(row["error"], row["message"])
                shard = Shard.model_validate_json(row["shard"])
                texts = plan.order[plan.places(shard.index)]
                meter.add(texts=len(texts), tokens=int(lengths[texts].sum()))
                yield shard
        except ray.exceptions.RayError as error:
            words = str(error).strip().splitlines()[0]
            raise ModelError(f"Ray could not go on ({words}); the same call goes on from what is stored.") from error


class _Reader:
    """One worker: holds the model and computes the shards that it is given."""

    def __init__(self, folder: str, part: str, model: str, digest: str, rule: Reading, device: str) -> None:
        self._folder = Path(folder)
        self._part = Part.model_validate_json(part)
        self._failure: Exception | None = None
        try:
            self._open(LoadedFrom.model_validate_json(model), digest=digest, rule=rule, device=device)
        except (TiltmeterError, OSError) as error:
            # raised here, Ray would only start the worker again
            self._failure = error

    def _open(self, model: LoadedFrom, *, digest: str, rule: Reading, device: str) -> None:
        subject = load(
            model.path_or_name, revision=model.revision, dtype=model.dtype, attention=model.attention, device=device
        )
        if subject.fingerprint.digest != digest:
            raise ModelError(
                f"A worker found another model at {model.path_or_name} than the one that was given; "
                "give all workers the same files and versions."
            )
        self._plan = read_plan(self._folder, self._part.plan)
        self._engine = LocalEngine(subject, rule=rule, spread=Spread())

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, list[str]]:
        """Compute a shard, and return what it is called, or what went wrong: Ray would keep the words to itself."""
        try:
            if self._failure is not None:
                raise self._failure
            meter = Meter(silent, n_texts=0, n_tokens=0)
            (shard,) = self._engine(self._folder, self._part, self._plan, [int(batch["shard"][0])], meter)
        except (TiltmeterError, OSError) as error:
            return {"shard": [""], "error": [type(error).__name__], "message": [str(error)]}
        return {"shard": [shard.model_dump_json()], "error": [""], "message": [""]}


def _raised(name: str, message: str) -> Exception:
    """Return the error of a worker as it would have been raised here."""
    if name == NotWrittenError.__name__:
        return NotWrittenError(message)
    kind = getattr(errors, name, None)
    return kind(message) if kind is not None else OSError(message)


def _ray() -> Any:  # noqa: ANN401  (an optional module)
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("Collecting on Ray needs the extra ray; run pip install 'tiltmeter[ray]'.") from None
    return ray


@contextmanager
def _cluster(workers: RayWorkers) -> Iterator[None]:
    """Connect to the cluster, or start one on this machine that ends with the call."""
    # nothing about a run leaves the machine
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # its notes on progress; ours are the caller's choice
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    local = {
        # one beside the workers, so that Ray's own tasks find room
        "num_cpus": max(os.cpu_count() or 1, math.ceil(workers.n * workers.cpus) + 1),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
    try:
        ray.init(
            address=workers.address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if workers.address else local),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"No Ray cluster answers at {workers.address}" if workers.address else "Ray could not be started here"
        raise SpecError(f"{where} ({str(error).splitlines()[0]}).") from error
    try:
        yield
    finally:
        ray.shutdown()
