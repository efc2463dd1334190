"""Racing: a random walk in which a candidate is measured only as often as it takes to decide against the incumbent.

Every comparison looks after 4, 7 and 10 repeats (`looks`) with thresholds that keep the one-sided error of the whole
comparison (`gnomon.stats.order.sequential`); most candidates are decided at the first look.
"""

from gnomon.search.searchers.search import Search


def racing(search: Search) -> None:
    """Visit architectures until the budget is used up; the incumbent keeps the repeats it was given."""
    incumbent: str | None = None
    for text in search.unseen():
        search.enter([text])
        search.record("visit", text)
        if incumbent is None or search.better(text, incumbent):
            incumbent = text
