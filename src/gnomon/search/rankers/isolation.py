"""What a user's ranker did to a network, and the network as it was before.

`models.passive.undisturbed` gives back what looking at a network moves by nature: random states, `.grad`, statistics.
A `Snapshot` also holds what should be left alone: weights, layers, modes, hooks, the functions that layers call.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

CONTAINERS: tuple[Any, ...] = (dict, set, list)


class Snapshot:
    """`network`, and torch's settings for the whole process, at this moment; `restore` ends it."""

    def __init__(self, network: nn.Module) -> None:
        modules = list(network.modules())
        self._modules = [(module, type(module), _contents(vars(module))) for module in modules]
        self._forwards: dict[Any, Any] = {kind: vars(kind).get("forward") for kind in map(type, modules)}
        self._parameters = [(p, p.data, _copy(p), p.requires_grad, _hooks(p)) for p in network.parameters()]
        self._buffers = [
            (module, name, buffer.data, _copy(buffer))
            for module in modules
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._settings = _settings()
        self._called: dict[int, nn.Module] = {}
        self._watch = register_module_forward_pre_hook(lambda module, _: self._called.update({id(module): module}))

    def restore(self) -> list[str]:
        """Put everything back, and say in words what should not have had to be: `weights`, `modes`, `hooks`, ...

        Attributes that a module keeps for itself are put back in silence, and so are the buffers of modules that were
        called, as those of a batch norm are moved by a forward pass in training.
        """
        self._watch.remove()
        changed = self._restore_settings() + self._restore_classes()
        buffers = ["buffers"] if self._moved_buffers() else []
        for module, kind, attributes in self._modules:
            if type(module) is not kind:
                changed.append("layers")
                module.__class__ = kind
            changed += _restore_attributes(vars(module), attributes)
        for parameter, data, copy, requires_grad, hooks in self._parameters:
            if not same(parameter, copy):
                changed.append("weights")
            parameter.data = data
            data.copy_(copy)
            if parameter.requires_grad != requires_grad:
                changed.append("requires_grad")
                parameter.requires_grad_(requires_grad)
            if _hooks(parameter) != hooks:
                changed.append("hooks")
                _restore_hooks(parameter, hooks)
        for module, name, data, copy in self._buffers:
            buffer = module._buffers[name]
            assert buffer is not None
            buffer.data = data
            data.copy_(copy)
        return list(dict.fromkeys(changed + buffers))

    def _restore_settings(self) -> list[str]:
        if _settings() == self._settings:
            return []
        dtype, gradients, threads = self._settings
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        torch.set_num_threads(threads)
        return ["settings of torch"]

    def _restore_classes(self) -> list[str]:
        changed = []
        for kind, forward in self._forwards.items():
            if vars(kind).get("forward") is not forward:
                changed.append("forwards")
                if forward is None:
                    del kind.forward
                else:
                    kind.forward = forward
        return changed

    def _moved_buffers(self) -> bool:
        """Whether a buffer is not what it was in a module that no forward pass went through."""
        passed = {id(module) for called in self._called.values() for module in called.modules()}
        return any(
            id(module) not in passed and not (isinstance(now := module._buffers.get(name), Tensor) and same(now, copy))
            for module, name, _, copy in self._buffers
        )


def _contents(attributes: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Every attribute, and a copy of what it holds where it is a container."""
    return {
        key: (value, next((kind(value) for kind in CONTAINERS if isinstance(value, kind)), None))
        for key, value in attributes.items()
    }


def _restore_attributes(now: dict[str, Any], kept: dict[str, tuple[Any, Any]]) -> list[str]:
    changed = []
    for key in [key for key in now if key not in kept]:
        changed += _word(key)
        del now[key]
    for key, (value, held) in kept.items():
        if now.get(key, now) is not value:
            changed += _word(key)
            now[key] = value
        if held is not None and not _alike(value, held):
            changed += _word(key)
            value.clear()
            value.extend(held) if isinstance(value, list) else value.update(held)
    return changed


def _word(key: str) -> list[str]:
    """What an attribute of a module is called in a report; nothing for a module's own."""
    if "hooks" in key:
        return ["hooks"]
    known = {"training": "modes", "forward": "forwards", "_modules": "layers", "_parameters": "weights"}
    return [known[key]] if key in known else []


def _alike(one: Any, other: Any) -> bool:
    """Whether two containers hold the very same things in the same order."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(one[key] is other[key] for key in one)
    return one == other if isinstance(one, set) else list(map(id, one)) == list(map(id, other))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def same(tensor: Tensor, copy: Tensor) -> bool:
    """Whether `tensor` holds the bytes of `copy`: NaN is like NaN, and -0 is not 0."""
    now = tensor.detach()
    if now.dtype != copy.dtype or now.shape != copy.shape or now.device != copy.device:
        return False
    return torch.equal(now.reshape(-1).contiguous().view(torch.uint8), copy.reshape(-1).contiguous().view(torch.uint8))


def _hooks(parameter: nn.Parameter) -> list[dict[int, Any]]:
    found = (parameter._backward_hooks, parameter._post_accumulate_grad_hooks)
    return [dict(hooks or {}) for hooks in found]


def _restore_hooks(parameter: nn.Parameter, kept: list[dict[int, Any]]) -> None:
    for hooks, before in zip((parameter._backward_hooks, parameter._post_accumulate_grad_hooks), kept, strict=True):
        if hooks is not None:
            hooks.clear()
            hooks.update(before)


def _settings() -> tuple[torch.dtype, bool, int]:
    return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
