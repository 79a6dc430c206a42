"""How a run was made, as the paragraph that a paper needs says it."""
