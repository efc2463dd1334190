"""params and macs, the baselines that every report shows, counted on a network where no space describes it."""

from torch import nn

from gnomon.search.rankers.one_pass import OnePass


def params(network: OnePass) -> float:
    """Parameters, shared ones once; of a token model those outside token embedding and output head."""
    model = network.network
    left_out = set()
    if network.reads_tokens:
        ends = [getattr(model, f"get_{end}_embeddings", lambda: None)() for end in ("input", "output")]
        found = [end for end in ends if end is not None] or [m for m in model.modules() if isinstance(m, nn.Embedding)]
        left_out = {id(p) for module in found for p in module.parameters()}
    return float(sum(p.numel() for p in model.parameters() if id(p) not in left_out))


def macs(network: OnePass) -> float:
    """Multiply-adds of convolutions and linear layers for one example, products of attention not counted."""
    return network.seen.macs
