"""Networks in wrappers: found in any order of them and in parts, read without the wrapper's names, never compiled."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import rdpass
from rdpass.capture.trace import trace
from rdpass.capture.unwrapping import unwrapped, wrappers_in
from rdpass.core.errors import ConfigError
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


def refuse(*arguments):
    raise AssertionError("something was compiled")


def compiled(model):
    return torch.compile(model, backend=refuse)


@pytest.fixture
def process_group(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


class _FabricModule(nn.Module):
    """As Lightning's Fabric builds it: what it calls, and what the user gave."""

    def __init__(self, model):
        super().__init__()
        self._forward_module = self._original_module = model

    def forward(self, x):
        return self._forward_module(x)


_FabricModule.__module__ = "lightning.fabric.wrappers"

WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "AveragedModel": AveragedModel,
    "an average with buffers": lambda m: AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True),
    "torch.compile": compiled,
    "Fabric": _FabricModule,
    "compiled in parallel": lambda m: compiled(nn.DataParallel(m)),
    "parallel of compiled": lambda m: nn.DataParallel(compiled(m)),
    "all in one another": lambda m: AveragedModel(nn.DataParallel(_FabricModule(compiled(m)))),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_network_in_a_wrapper_is_read_as_it_is_alone(wrap):
    network = seeded(small_resnet)
    model = wrap(seeded(small_resnet)).train()
    before = Untouched(model)
    traced, alone = trace(model, X), trace(network, X)
    before.check()
    assert str(traced.module.graph) == str(alone.module.graph)
    assert error_between(traced.module, network, X) <= 1e-6


def test_a_wrapped_network_is_converted_as_it_is_alone():
    model = AveragedModel(compiled(seeded(small_resnet))).train()
    before = Untouched(model)
    conversion = rdpass.convert(model, X, recipe="carry", max_macs=9)
    before.check()
    assert len(conversion.removed) == 3
    assert error_between(conversion.student, seeded(small_resnet), X) <= 1e-5


def test_a_network_of_several_processes_is_unwrapped_too(process_group):
    model = DistributedDataParallel(seeded(small_resnet))
    before = Untouched(model)
    plan = rdpass.inspect(model, X)
    before.check()
    assert plan == rdpass.inspect(seeded(small_resnet), X)


@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled, lambda m: compiled(nn.DataParallel(m))])
def test_a_wrapper_round_a_part_is_taken_away(wrap):
    model = seeded(small_resnet)
    body = model[1]
    model[1] = wrap(body)
    traced = rdpass.inspect(model, X)
    assert [region.path for region in traced.regions] == [
        region.path for region in rdpass.inspect(seeded(small_resnet), X).regions
    ]
    assert unwrapped(model[1]) is body


def test_a_part_that_two_places_share_is_copied_once():
    shared = nn.DataParallel(nn.Conv2d(3, 3, 1))
    model = nn.Sequential(shared, nn.ReLU(), shared, shared.module)
    traced = trace(model, X)
    assert error_between(traced.module, model, X) <= 1e-6
    assert len({id(parameter) for parameter in traced.module.parameters()}) == 2


def test_models_compiled_in_place_or_by_their_forward_run_uncompiled():
    in_place, by_forward = seeded(small_resnet), seeded(small_resnet)
    in_place.compile(backend=refuse)
    by_forward.forward = torch.compile(by_forward.forward, backend=refuse)
    plan = rdpass.inspect(seeded(small_resnet), X)
    for model in (in_place, by_forward):
        before = Untouched(model)
        assert rdpass.inspect(model, X) == plan
        before.check()


def test_a_function_compiled_inside_forward_runs_uncompiled_and_its_adds_are_seen():
    class Compiled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, 1, 1)
            self.join = torch.compile(lambda x, y: torch.relu(x + y), backend=refuse)

        def forward(self, x):
            return self.join(x, self.conv(x))

    model = seeded(Compiled)
    assert [region.verdict for region in rdpass.inspect(model, X).regions] == ["removable"]


def test_a_module_of_ones_own_with_such_a_name_or_attribute_is_no_wrapper():
    class DataParallel(nn.Module):
        """Twice what is in it: to unwrap it would change the numbers."""

        def __init__(self):
            super().__init__()
            self.module = self._orig_mod = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.module(x) * 2

    model = DataParallel()
    assert unwrapped(model) is model
    assert list(wrappers_in(model)) == []


class Held(nn.Module):
    """As Lightning holds a network that its training step alone calls."""

    def __init__(self, *networks):
        super().__init__()
        for index, network in enumerate(networks):
            self.add_module(f"net{index}", network)
        self.loss = nn.CrossEntropyLoss()


def refuse_as_lightning_does(self, *inputs):
    return nn.Module.forward(self, *inputs)


class HeldByLightning(Held):
    forward = refuse_as_lightning_does


refuse_as_lightning_does.__module__ = "lightning.pytorch.core.module"


@pytest.mark.parametrize("kind", [Held, HeldByLightning])
def test_a_module_without_forward_stands_round_the_one_network_in_it(kind):
    model = kind(nn.DataParallel(seeded(small_resnet)))
    before = Untouched(model)
    assert rdpass.inspect(model, X) == rdpass.inspect(seeded(small_resnet), X)
    before.check()


@pytest.mark.parametrize("kind", [Held, HeldByLightning])
def test_of_several_networks_without_a_forward_none_is_chosen_and_all_are_named(kind):
    with pytest.raises(ConfigError, match=r"has no forward; give the network in it to be read \(of: net0, net1\)"):
        trace(kind(seeded(small_resnet), seeded(small_resnet)), X)
    with pytest.raises(ConfigError, match=r"has no forward.*\(of: none\)"):
        trace(kind(), X)
