"""Find, test, erase and monitor directions in a language model's activations; public names live one package down."""

__version__ = "0.1.0"
