"""Decoders from a few numbers: what each number does to the network, with a tokenizer or without."""

import pytest
import torch

from gnomon.errors import UserError
from gnomon.models import build
from gnomon.models.tokenizers import symbol_tokenizer

SHAPE = {"layers": 2, "width": 16, "heads": 2, "context": 12}


def test_a_policy_holds_the_network_of_the_same_numbers():
    tokenizer = symbol_tokenizer("01")
    policy = build.decoder(tokenizer, **SHAPE, seed=3)
    network = build.decoder_network(
        len(tokenizer),
        **SHAPE,
        seed=3,
        pad=tokenizer.pad_token_id,
        eos=tokenizer.eos_token_id,
    )
    assert network.training
    assert policy.model.config.to_dict() == network.config.to_dict()
    own = policy.model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())


def test_what_each_number_does():
    plain = build.decoder_network(10, **SHAPE, seed=0)
    assert plain.model.layers[0].mlp.up_proj.weight.shape == (64, 16)  # 8/3 of 16, up to a multiple of 32
    assert plain.get_input_embeddings().weight is plain.get_output_embeddings().weight
    assert not [name for name, _ in plain.named_parameters() if name.endswith("bias")]
    changed = build.decoder_network(10, **SHAPE, seed=0, ffn=7, bias=True, tied=False)
    assert changed.model.layers[1].mlp.down_proj.weight.shape == (16, 7)
    assert changed.get_input_embeddings().weight is not changed.get_output_embeddings().weight
    linear = [module for module in changed.model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(linear) == 14
    assert all(module.bias is not None for module in linear)
    assert changed.lm_head.bias is None


def test_heads_that_do_not_fit():
    with pytest.raises(UserError, match="does not divide into"):
        build.decoder_network(10, layers=1, width=18, heads=4, context=8, seed=0)
