"""Labels from words: engines that find words in photographs, and what is made of their scores."""
