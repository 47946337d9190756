"""Changing what a site shows, while a model runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from tiltmeter.core.errors import ArrayError, ModelError
from tiltmeter.core.site import Site
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._capture import WholeTextsHook, batch_shape
from tiltmeter.models._readable import check_running
from tiltmeter.models._subject import SubjectModel


class TextRows(NamedTuple):
    """Which texts the rows of a batch are, shape (b,), of how many in all, in the order of whoever gave them."""

    which: Int[Tensor, " b"]
    n: int


class Places:
    """Where the tokens of one forward stand in their texts, whatever was kept of earlier tokens, and however padded.

    Parameters
    ----------
    shape
        (b, t) of the tokens that this forward is given.
    past
        Tokens (and padding) before them of which keys and values were kept.
    mask
        Shape (b, past + t), nonzero at tokens; None if there is no padding.
    n_prompt
        Shape (b,), tokens of each prompt; None if it is not known.
    rows
        Which texts the rows are; None if it is not known, and the batch is all there is.
    tokens
        Shape (b, t), their identifiers; None where the forward is given embeddings.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        past: int = 0,
        mask: Tensor | None = None,
        n_prompt: Tensor | None = None,
        rows: TextRows | None = None,
        tokens: Tensor | None = None,
    ) -> None:
        self.shape = shape
        self.past = past
        self.mask = mask
        self.n_prompt = n_prompt
        self.rows = rows
        self.tokens = tokens
        self._positions: Tensor | None = None

    def by_row(self, by_text: Tensor) -> Tensor:
        """Return what belongs to each text of a batch for each row: those of one text, as in a beam, lie side by side.

        Raises
        ------
        ArrayError
            If the rows are not as many for each.
        """
        n, rest = divmod(self.shape[0], max(len(by_text), 1))
        if rest or not n:
            raise ArrayError(
                f"A forward has {self.shape[0]} rows, and what an edit was told is of {len(by_text)} texts; give one "
                "of each text, in the order of the batch."
            )
        return by_text if n == 1 else by_text.repeat_interleave(n, dim=0)

    @property
    def positions(self) -> Int[Tensor, "b t"]:
        """Position of each token in its text, from 0 at its first token (special ones count); -1 at padding."""
        if self._positions is None:
            b, t = self.shape
            if self.mask is None:
                self._positions = torch.arange(self.past, self.past + t).expand(b, t)
            else:
                is_token = self.mask.bool()
                counted = (is_token.long().cumsum(1) - 1).masked_fill(~is_token, -1)
                self._positions = counted[:, -t:]
        return self._positions


@runtime_checkable
class Edit(Protocol):
    """What :func:`edited` takes: a site, and a pure function from what the site shows to what it is to show."""

    @property
    def site(self) -> Site:
        """Where it works."""

    def __call__(self, old: Tensor, places: Places, /) -> Tensor:
        """Return a new tensor of the same shape (b, t, d), dtype and device; ``old`` itself where nothing changes."""


@contextmanager
def edited(
    subject: SubjectModel,
    edits: Sequence[Edit],
    *,
    n_prompt: Int[Tensor, " b"] | None = None,
    rows: TextRows | None = None,
) -> Iterator[SubjectModel]:
    """Apply edits in every forward of the model inside the ``with``.

    What the later parts of the model compute follows from the edited values, in a plain forward as in generation with
    kept keys and values; what :meth:`SubjectModel.read` and :meth:`SubjectModel.capture` record inside is edited, too.
    No weight changes. When the block ends, even by an exception, no hook remains and outputs are those of the bare
    model, bit for bit.

    Parameters
    ----------
    subject
        The model.
    edits
        In the order in which they apply where several share a site. Along the model they apply as a forward reaches
        their sites.
    n_prompt
        Tokens of each prompt, for edits that ask what was generated.
    rows
        Which texts the batch holds, for edits that hold something of each text; None if it holds all, in their order.

    Raises
    ------
    SpecError
        If a site is absent.
    ModelError
        If the model is in training mode or compiled, or a forward inside is given a mask that is not of shape (b, t) or
        begins in the middle of another.
    ArrayError
        If an edit returns another shape or dtype, or several rows of a batch do not fit its own.

    Notes
    -----
    ``resid_mid`` goes on past the norm that reads it: there the block's own result is moved by what the edit changed,
    which is what an edit of the residual stream itself would give, but for rounding.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> class Nothing:
    ...     site = Site(-1, "resid_post")
    ...
    ...     def __call__(self, old, places):
    ...         return torch.zeros_like(old)
    >>> subject = tiny("Rome is old")
    >>> with torch.no_grad(), edited(subject, [Nothing()]):
    ...     bool(subject.model(torch.tensor([[1, 2]])).logits.any())
    False
    """
    model = without_wrapper(subject.model)
    check_running(model, name=subject.name)
    by_place: dict[Site, list[tuple[Site, Edit]]] = {}
    for edit in edits:
        (site,) = subject.resolve_sites([edit.site])
        by_place.setdefault(Site(site.layer, site.point), []).append((site, edit))
    with ExitStack() as stack:
        clock = _Clock(None if n_prompt is None else torch.as_tensor(n_prompt).reshape(-1), rows)
        if by_place:
            stack.enter_context(clock.running(model, subject._stack, name=subject.name))
        for place, members in by_place.items():
            block, tap = subject._blocks[place.layer], subject.family.points[place.point]
            shape = batch_shape(block, stack) if tap.flat else None
            change = _Change(members, clock, n_heads=subject.n_heads, shape=shape, is_carried=tap.bypassed)
            module = block.get_submodule(tap.module)
            if tap.side == "output":
                stack.callback(module.register_forward_hook(_OnOutput(change)).remove)
                continue
            stack.callback(module.register_forward_pre_hook(_OnInput(change), with_kwargs=True).remove)
            if tap.bypassed:
                stack.callback(block.register_forward_hook(_OnOutput(change.carry)).remove)
        yield subject


class _Clock:
    """Knows where the tokens of the present forward stand: the outermost module to be called is told their mask."""

    def __init__(self, n_prompt: Tensor | None, rows: TextRows | None) -> None:
        self.n_prompt = n_prompt
        self.rows = rows
        self.places: Places | None = None
        # the modules whose call has begun and not ended, the outermost first
        self._running: list[nn.Module] = []

    @contextmanager
    def running(self, model: nn.Module, inner: nn.Module, *, name: str) -> Iterator[None]:
        with ExitStack() as stack:
            for module in dict.fromkeys((model, inner)):
                hook = module.register_forward_pre_hook(self._note(module, name=name), with_kwargs=True)
                stack.callback(hook.remove)
                # also where the forward ends by an exception, such as that of a reading which stops early
                stack.callback(module.register_forward_hook(self._end, always_call=True).remove)
            yield

    def _note(self, module: nn.Module, *, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        signature = inspect.signature(module.forward)

        def hook(called: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            is_again = called in self._running
            self._running.append(called)
            if is_again:
                raise ModelError(
                    f"A forward of {name} began in the middle of another, of the same texts or of others; run it when "
                    "that has ended, or run another model."
                )
            if len(self._running) > 1:
                return
            given = signature.bind_partial(*args, **kwargs).arguments if args else kwargs
            self.places = _places(given, n_prompt=self.n_prompt, rows=self.rows, name=name)

        return hook

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:  # noqa: ARG002  (torch calls it)
        if module in self._running:
            while self._running.pop() is not module:
                continue


def _places(given: Mapping[str, Any], *, n_prompt: Tensor | None, rows: TextRows | None, name: str) -> Places:
    tokens = given.get("input_ids")
    entered = given.get("inputs_embeds") if tokens is None else tokens
    if entered is None:
        raise ModelError(f"A forward of {name} was given neither input_ids nor inputs_embeds; give one of them.")
    shape, mask = (int(entered.shape[0]), int(entered.shape[1])), given.get("attention_mask")
    if mask is None:
        cache = given.get("past_key_values")
        past = 0 if cache is None else int(cache.get_seq_length())
        return Places(shape, past=past, n_prompt=n_prompt, rows=rows, tokens=tokens)
    if not isinstance(mask, Tensor) or mask.ndim != 2:
        raise ModelError(f"A forward of {name} was given a mask that is not of shape (b, t); edits need one that is.")
    past = int(mask.shape[1]) - shape[1]
    return Places(shape, past=past, mask=mask, n_prompt=n_prompt, rows=rows, tokens=tokens)


class _Change:
    """All edits at one place, and what they changed there."""

    def __init__(
        self,
        members: Sequence[tuple[Site, Edit]],
        clock: _Clock,
        *,
        n_heads: int,
        shape: Callable[[], tuple[int, ...]] | None,
        is_carried: bool,
    ) -> None:
        self.members = members
        self.clock = clock
        self.n_heads = n_heads
        self.shape = shape
        self.is_carried = is_carried
        self.difference: Tensor | None = None

    def __call__(self, value: object) -> Tensor:
        if not isinstance(value, Tensor) or self.clock.places is None:
            raise ModelError(
                f"Site {self.members[0][0]} shows a {type(value).__name__} outside a forward of the whole model; "
                "call the model that was bound."
            )
        old = value if self.shape is None else value.reshape(*self.shape(), -1)
        new = old
        for site, edit in self.members:
            if site.head is None:
                new = _checked(edit(new, self.clock.places), new, site)
            else:
                parts = list(new.chunk(self.n_heads, dim=-1))
                part = _checked(edit(parts[site.head], self.clock.places), parts[site.head], site)
                if part is not parts[site.head]:
                    parts[site.head] = part
                    new = torch.cat(parts, dim=-1)
        if self.is_carried and new is not old:
            self.difference = new - old
        return value if new is old else new.reshape(value.shape)

    def carry(self, value: object) -> object:
        """Move what the block makes of an edited stream by what the edit changed: the stream itself went past."""
        difference, self.difference = self.difference, None
        return value if difference is None or not isinstance(value, Tensor) else value + difference


def _checked(new: Tensor, old: Tensor, site: Site) -> Tensor:
    if new.shape != old.shape or new.dtype != old.dtype:
        raise ArrayError(
            f"An edit at {site} made {tuple(new.shape)} in {new.dtype} of {tuple(old.shape)} in {old.dtype}; it must "
            "keep both."
        )
    return new


class _OnInput(WholeTextsHook):
    """Have a module see what a change makes of its first argument."""

    def __init__(self, change: _Change) -> None:
        self.change = change

    def __call__(
        self,
        module: nn.Module,  # noqa: ARG002  (torch calls it)
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        old = args[0] if args else kwargs.get("hidden_states")
        new = self.change(old)
        if new is old:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})


class _OnOutput(WholeTextsHook):
    """Have a module give what a change makes of its result, or of the first of several."""

    def __init__(self, change: Callable[[object], object]) -> None:
        self.change = change

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401, ARG002
        first = output[0] if isinstance(output, tuple) else output
        new = self.change(first)
        if new is first:
            return None
        return (new, *output[1:]) if isinstance(output, tuple) else new
