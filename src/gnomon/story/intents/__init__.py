"""What a writer asks of a story, as an intent with an `op`, and how it is done without a model.

Each function of this package takes an `Asked` (the story, what was read in it, the intent, the scope) and gives a
`Draft`: changes of the text with a reason each, and notes. Making hunks of them is `gnomon.story.edits`.
"""
