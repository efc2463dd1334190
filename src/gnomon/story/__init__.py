"""Second floor: stories read as characters, places and events, and revised by moving them (visual story-writing).

`read(path)` or `Story.from_text` gives a `Story`, `extract(story)` what is told in it, `propose` an edit in small hunks
and `apply` the text with those that were accepted. Nothing here needs a model from elsewhere or a network.
"""
