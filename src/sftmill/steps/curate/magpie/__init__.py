"""Which of Magpie's draws are worth keeping."""
