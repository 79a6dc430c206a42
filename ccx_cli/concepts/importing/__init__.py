"""Other people's annotations, made into datasets in Broden's layout."""
