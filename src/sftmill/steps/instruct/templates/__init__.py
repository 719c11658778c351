"""Templates with typed slots and computed answers, reworded by a model."""
