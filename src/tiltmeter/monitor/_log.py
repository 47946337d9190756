"""The log of a monitor in service: alarms exactly once, and the texts that were scored, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, Self, TextIO, TypeVar

from pydantic import ValidationError

from tiltmeter.core.alarms import Alarm, ScoredText
from tiltmeter.core.errors import FileError, FormatError, SpecError

_VERSION = 1
# "Tilt" in ASCII: so that a database of another program is told from an empty one
_APPLICATION = 0x54696C74
_TABLES = """
CREATE TABLE alarms (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, time TEXT NOT NULL,
                     record TEXT NOT NULL) STRICT;
CREATE TABLE texts (row INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX texts_by_time ON texts (time);
"""
_PAGE = 1000

R = TypeVar("R", Alarm, ScoredText)


class LoggedAlarm(NamedTuple):
    """An alarm, and its row in the log: rows count upwards from 1 in the order of writing, and none is used twice."""

    row: int
    alarm: Alarm


class MonitorLog:
    """Alarms and scored texts in one SQLite file, safe against a process that is killed at any moment.

    When :meth:`write` returns, what it was given is on disk: the write-ahead log is flushed with every transaction.
    Threads that write at the same time share a transaction, and with it the flush. Several processes may write to one
    file. An alarm whose identifier is there already is not written again.

    Parameters
    ----------
    path
        The file. Beside it SQLite keeps ``-wal`` and ``-shm`` while it is open.
    keep_texts
        Whether the texts themselves are kept. Where they are not, an alarm or a scored text that holds one is written
        without it.
    mode
        ``"append"`` makes the file where there is none, for its owner alone; ``"read"`` reads one that is there.

    Raises
    ------
    FileError
        If the file cannot be made, or is not there to be read.
    FormatError
        If it is no such log, or one of another version.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC, datetime
    >>> alarm = Alarm(
    ...     id="a",
    ...     time=datetime.now(UTC),
    ...     rule="deceit",
    ...     raised=(),
    ...     text_id="t",
    ...     token=None,
    ...     n_tokens=3,
    ...     text="Rome is new",
    ...     model="tiny",
    ...     source="score",
    ... )
    >>> with tempfile.TemporaryDirectory() as folder, MonitorLog(Path(folder) / "alarms.sqlite") as log:
    ...     log.write(alarms=[alarm]), log.write(alarms=[alarm])
    ...     [(row, kept.id, kept.text) for row, kept in log.alarms()]
    (1, 0)
    [(1, 'a', None)]
    """

    def __init__(
        self, path: str | Path, *, keep_texts: bool = False, mode: Literal["append", "read"] = "append"
    ) -> None:
        self.path = Path(path)
        self.keep_texts = keep_texts
        self.mode = mode
        self._waiting: list[_Waiting] = []
        self._guards_waiting, self._guards_connection = threading.Lock(), threading.Lock()
        try:
            self._connection = self._open()
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, FileError):
                raise
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                raise FormatError(f"{self.path} is not a log of alarms ({error}); name another file.") from error
            raise FileError(f"{self.path} cannot be opened as a log of alarms ({error}).") from error

    def write(self, *, alarms: Sequence[Alarm] = (), texts: Sequence[ScoredText] = ()) -> int:
        """Write all of it or nothing, and return when it is on disk.

        Parameters
        ----------
        alarms
            Those whose identifier is in the log already are passed over.
        texts
            What was scored, in order.

        Returns
        -------
        How many of the alarms were not there before.

        Raises
        ------
        SpecError
            If the log was opened to be read.
        FileError
            If the disk is full, another process has kept the file to itself for half a minute, or the file is no
            longer where it was.
        """
        if self.mode == "read":
            raise SpecError(f"The log {self.path} was opened to be read; open it with mode append to write to it.")
        mine = _Waiting([_row_of(alarm, self) for alarm in alarms], [_line_of(text, self) for text in texts])
        with self._guards_waiting:
            self._waiting.append(mine)
        with self._guards_connection:
            # whoever held the connection before may have written what was waiting behind it
            if not mine.is_done:
                with self._guards_waiting:
                    together, self._waiting = self._waiting, []
                self._commit(together)
        if mine.error is not None:
            raise FileError(
                f"{self.path} could not be written ({mine.error}); nothing of this was kept."
            ) from mine.error
        return mine.n_new

    def alarms(self, *, after: int | None = None, limit: int | None = None) -> tuple[LoggedAlarm, ...]:
        """Return alarms in the order of writing.

        Parameters
        ----------
        after
            Only those of rows above this one; None for those that end the log.
        limit
            At most so many: the first ones after ``after``, or the last ones of the log. None for all.

        Raises
        ------
        FileError
            If the file cannot be read.
        FormatError
            If it holds a record that this release does not read.
        """
        most = -1 if limit is None else limit
        if after is None:
            found = self._select("SELECT row, record FROM alarms ORDER BY row DESC LIMIT ?", most)[::-1]
        else:
            found = self._select("SELECT row, record FROM alarms WHERE row > ? ORDER BY row LIMIT ?", after, most)
        return tuple(LoggedAlarm(row, self._record(Alarm, row, record)) for row, record in found)

    def scores(self, *, since: datetime | None = None) -> Iterator[ScoredText]:
        """Yield the texts that were scored at a time or later, in the order of writing; of all times by default.

        Others may write meanwhile. ``since`` must know its time zone.

        Raises
        ------
        SpecError
            If ``since`` has no time zone.
        FileError, FormatError
            As :meth:`alarms`.
        """
        if since is not None and since.tzinfo is None:
            raise SpecError(f"since is {since}, without a time zone; give one, as in datetime.now(UTC).")
        return self._scores("" if since is None else _time(since))

    def export(self, out: str | Path | TextIO, *, what: Literal["alarms", "scores"] = "alarms") -> int:
        """Write JSON lines to a new file or an open one, a record each in the order of writing; return how many.

        Raises
        ------
        FileError
            If there is such a file already, or it cannot be written.
        FormatError
            As :meth:`alarms`.
        """
        records = (kept.alarm for kept in self._all_alarms()) if what == "alarms" else self.scores()
        if not isinstance(out, str | Path):
            return _write_lines(out, records)
        path = Path(out)
        if path.exists():
            raise FileError(f"{path} exists already; name another file or remove it first.")
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                n = _write_lines(file, records)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError as error:
            # one of our own is about the log
            if isinstance(error, FileError):
                raise
            raise FileError(f"{path} cannot be written ({error}); name another file.") from error
        finally:
            part.unlink(missing_ok=True)
        return n

    def close(self) -> None:
        """Close the file; what was written stays. SQLite folds the write-ahead log into it."""
        with self._guards_connection:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        if self.mode == "read":
            if not self.path.is_file():
                raise FileError(f"{self.path} does not exist; check the path.")
        elif not self.path.exists():
            # SQLite gives its side files the rights of this one: alarms are nobody else's
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = _connect(self.path, mode="rw" if self.mode == "append" else "ro")
        self._file = os.stat(self.path)
        try:
            if self.mode == "read" or _n_tables(connection):
                # before anything is changed: it may be another program's
                self._check(connection)
            if self.mode == "append":
                connection.execute("PRAGMA journal_mode = WAL")
                # every commit is flushed: an alarm that was answered outlives a power cut, too
                connection.execute("PRAGMA synchronous = FULL")
                with _transaction(connection):
                    # another process may have made them meanwhile
                    if not _n_tables(connection):
                        for statement in _TABLES.split(";"):
                            connection.execute(statement)
                        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                        connection.execute(f"PRAGMA user_version = {_VERSION}")
                self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            if not _n_tables(connection):
                raise FormatError(f"{self.path} is empty: no service has written to it; name another file.")
            raise FormatError(f"{self.path} is a database of something else, not a log of alarms; name another file.")
        if version != _VERSION:
            raise FormatError(f"{self.path} is a log of version {version}, and this release reads {_VERSION}.")

    def _commit(self, together: list[_Waiting]) -> None:
        try:
            self._check_place()
            with _transaction(self._connection):
                for one in together:
                    for row in one.alarms:
                        one.n_new += self._connection.execute(
                            "INSERT INTO alarms (id, time, record) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", row
                        ).rowcount
                    self._connection.executemany("INSERT INTO texts (time, record) VALUES (?, ?)", one.texts)
        except BaseException as error:
            # whoever waits must learn that nothing was kept, also where this thread is interrupted
            for one in together:
                one.error = error
            if not isinstance(error, sqlite3.Error | OSError):
                raise
        finally:
            for one in together:
                one.is_done = True

    def _check_place(self) -> None:
        """Refuse to write to a file that was moved or deleted: nobody would find the alarms there."""
        try:
            is_there = os.path.samestat(self._file, os.stat(self.path))
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise OSError("it was moved or deleted while it was open; start again")

    def _record(self, kind: type[R], row: int, record: str) -> R:
        try:
            return kind.model_validate_json(record)
        except ValidationError as error:
            what = "alarm" if kind is Alarm else "text"
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            raise FormatError(
                f"{self.path} holds {what} {row}, which this release does not read ({where}: {problem['msg']}); it is "
                "damaged or of another version."
            ) from None

    def _all_alarms(self) -> Iterator[LoggedAlarm]:
        last = 0
        while page := self.alarms(after=last, limit=_PAGE):
            yield from page
            last = page[-1].row

    def _scores(self, since: str) -> Iterator[ScoredText]:
        last = 0
        query = "SELECT row, record FROM texts WHERE row > ? AND time >= ? ORDER BY row LIMIT ?"
        while page := self._select(query, last, since, _PAGE):
            for row, record in page:
                yield self._record(ScoredText, row, record)
            last = page[-1][0]

    def _select(self, query: str, *values: int | str) -> list[tuple[int, str]]:
        # a connection of its own: readers wait for no writer, nor writers for them
        try:
            with closing(_connect(self.path, mode="ro")) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise FileError(f"{self.path} could not be read ({error}).") from error


class _Waiting:
    """What one caller wants written, and what became of it."""

    def __init__(self, alarms: list[tuple[str, str, str]], texts: list[tuple[str, str]]) -> None:
        self.alarms = alarms
        self.texts = texts
        self.n_new = 0
        self.is_done = False
        self.error: BaseException | None = None


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the right to write at once, and keep all or nothing of what is written inside the ``with``."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a full disk ends the transaction by itself
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path, *, mode: Literal["rw", "ro"]) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=30, isolation_level=None, check_same_thread=False
    )


def _n_tables(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def _write_lines(file: TextIO, records: Iterable[Alarm] | Iterable[ScoredText]) -> int:
    n = 0
    for record in records:
        file.write(record.model_dump_json() + "\n")
        n += 1
    return n


def _time(moment: datetime) -> str:
    """Write a time so that the order of strings is that of times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row_of(alarm: Alarm, log: MonitorLog) -> tuple[str, str, str]:
    kept = alarm if log.keep_texts else alarm.model_copy(update={"text": None})
    return kept.id, _time(kept.time), kept.model_dump_json()


def _line_of(text: ScoredText, log: MonitorLog) -> tuple[str, str]:
    kept = text if log.keep_texts else text.model_copy(update={"text": None, "messages": None})
    return _time(kept.time), kept.model_dump_json()
