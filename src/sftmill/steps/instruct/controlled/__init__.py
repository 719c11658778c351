"""Instructions for every cell of a grid."""
