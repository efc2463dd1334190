"""Models that write proposals for a story: any OpenAI-compatible server, a checkpoint trained here, recorded answers.

All of them take the same request, one JSON object in which the manuscript is data, and give one JSON object back. The
built-in editor (`provider=None`) needs none of them.
"""
