"""From options, or a stored run's header, to the inputs and the job of a command."""
