"""The terminal application that browses stored results; read-only."""
