"""Every error that Tiltmeter raises on purpose.

::

    TiltmeterError
    ├ SpecError (ValueError)             a study or option asks for something that cannot be
    ├ DataError (ValueError)             texts, labels, pairs or groups are not as a method needs them
    ├ ArrayError (ValueError)            an array has the wrong shape, too few rows, or a NaN
    │ └ NoDirectionError                 the rows hold no difference that a method could follow
    ├ TooFewNegativesError (ValueError)  no threshold can be certified from so few units
    ├ ModelError (ValueError)            a model cannot be loaded, read or bound to a site
    ├ FormatError (ValueError)           a file on disk is damaged, foreign or of another version
    ├ FileError (OSError)                a path is missing, or is there and must not be overwritten
    └ MissingExtraError (ImportError)    an optional dependency is absent; the message names the extra

The command line prints these without a traceback and exits with code 2.
"""


class TiltmeterError(Exception):
    """Root of the tree: one sentence that says what came, what is needed and what to do."""


class SpecError(TiltmeterError, ValueError):
    """A study or an option asks for something that cannot be."""


class DataError(TiltmeterError, ValueError):
    """Texts, labels, pairs or groups are not as the reader or a method needs them."""


class ArrayError(TiltmeterError, ValueError):
    """An array has the wrong shape, too few rows, one class only, or a value that is not finite."""


class NoDirectionError(ArrayError):
    """The rows hold no difference that a method could follow, as where the last token is the same in every text."""


class TooFewNegativesError(TiltmeterError, ValueError):
    """No threshold can be certified from so few negative units; the message names the number needed."""


class ModelError(TiltmeterError, ValueError):
    """A model cannot be loaded, read, or bound to the site that was asked for."""


class FormatError(TiltmeterError, ValueError):
    """A file on disk is damaged, foreign, or of a version this release does not read."""


class FileError(TiltmeterError, OSError):
    """A path is missing, or is there already and must not be overwritten."""


class MissingExtraError(TiltmeterError, ImportError):
    """An optional dependency is absent; the message names the extra that brings it."""


class ConvergenceWarning(UserWarning):
    """An iterative method stopped before its tolerance; the message gives the residual."""


class DataWarning(UserWarning):
    """The data were read, but something about them makes the figures worth less."""
