"""Other people's annotations, made into data sets in Broden's layout."""
