"""Every error a user can meet. The message names the value and the remedy, on one line.

ParrotletError
├── BundleError            a model folder that cannot be trusted or read
├── PromptError            a prompt that does not fit the model
├── DocumentError          a file or a position that cannot be completed
├── SettingsError          a setting or sampling value out of range
├── RecipeError            a training recipe with an unknown key or an impossible value
├── CorpusError            training data that cannot be used
├── CheckpointError        a checkpoint that cannot be written, read or resumed
├── DivergenceError        a training run whose loss has left the numbers or jumped
├── EvaluationError        a model that cannot be judged: a benchmark file, or no sandbox for generated code
├── ExportError            a model that cannot be written in another form, or sent to the Hub
├── LibraryError           a model of the user's that is not there, or cannot be kept
└── EngineError            the engine could not answer
    ├── EngineUnavailableError   no engine process can be reached or started; asking again may help
    ├── EngineLoadingError       the model is still loading; asking again will help
    ├── ModelChangedError        another model has taken the place of the one that was asked; open it, and ask again
    └── DeviceFailedError        the GPU failed, and the model runs on the CPU now; asking again will help
"""


class ParrotletError(Exception):
    """Base of all errors that are shown to a user as one line."""


class BundleError(ParrotletError):
    """A model bundle is missing a file, damaged, mismatched or too new."""


class PromptError(ParrotletError):
    """A prompt is empty or longer than the model's window."""


class DocumentError(ParrotletError):
    """A file cannot be read, or a position lies outside it."""


class SettingsError(ParrotletError):
    """A setting or a sampling value is unknown or out of range."""


class BusyError(ParrotletError):
    """Another process works in the same folder."""


class RecipeError(ParrotletError):
    """A training recipe has an unknown key or a value that cannot work."""


class CorpusError(ParrotletError):
    """The training data is empty, unreadable or too small."""


class CheckpointError(ParrotletError):
    """A checkpoint could not be written, or does not fit the run that resumes from it."""


class DivergenceError(ParrotletError):
    """A training run's loss or gradient is no number, or its loss has jumped and stays up."""


class EvaluationError(ParrotletError):
    """A benchmark cannot be read, or generated code cannot be run safely."""


class ExportError(ParrotletError):
    """A bundle cannot be written in another form, or not be sent."""


class LibraryError(ParrotletError):
    """A model of the user's is not there, or cannot be kept or deleted."""


class StatisticsError(ParrotletError):
    """The figures of suggestions cannot be read or shown."""


class EngineError(ParrotletError):
    """The engine could not answer a request."""


class EngineUnavailableError(EngineError):
    """No engine process can be reached or started."""


class EngineLoadingError(EngineError):
    """The engine is there, but its model is still loading."""


class ModelChangedError(EngineError):
    """The question was written for another model than the one that is resident by now."""


class DeviceFailedError(EngineError):
    """The device that held the model and all caches failed; the model is on another one by now."""
