"""What explanations are worth: metrics, comparisons and tests against chance."""
