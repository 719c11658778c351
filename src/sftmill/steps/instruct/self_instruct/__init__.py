"""Self-Instruct: new tasks in the manner of human seeds, and their inputs and answers."""
