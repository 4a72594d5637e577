"""Weights that users bring: found in what training scripts write, refused by name where they are another network's."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.sources.models import load_model
from rdpass.sources.weights import load_weights


def resnet(classes=3):
    torch.manual_seed(5)
    return load_model(f"timm:resnet18(num_classes={classes})")[0]


@pytest.fixture
def trained():
    return resnet().state_dict()


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        lambda state: {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": dict(state)},
        lambda state: {"model": prefixed(state, "module.")},
        lambda state: prefixed(state, "_orig_mod."),
        lambda state: {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")},
    ],
    ids=["plain", "a checkpoint", "of DistributedDataParallel", "compiled", "of an old torch"],
)
def test_weights_are_found_in_what_training_scripts_write(trained, tmp_path, wrap):
    torch.save(wrap(trained), tmp_path / "w.pth")
    torch.manual_seed(6)
    model, _ = load_model("timm:resnet18(num_classes=3)", tmp_path / "w.pth")
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())


def test_safetensors_are_weights_too(trained, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    model, _ = load_model("timm:resnet18(num_classes=3)", tmp_path / "w.safetensors")
    assert torch.equal(model.fc.weight, trained["fc.weight"])


def whole_model(path):
    torch.save(resnet(), path)


def another_network(path):
    torch.save({"fc.bias": torch.ones(3), "x": torch.ones(1)}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "can't be read"),
        (lambda path: path.write_bytes(b""), "can't be read"),
        (lambda path: path.write_bytes(b"PK\x03\x04 torn"), "can't be read"),
        (whole_model, "a whole pickled model"),
        (lambda path: torch.save([1, 2], path), "holds no state dict"),
        (lambda path: torch.save({}, path), "holds no state dict"),
        (lambda path: torch.save(resnet(10).state_dict(), path), r"2 of another shape \(fc.weight 10x512 for .* 3x512"),
        (another_network, r"missing \(.*1 not in the model \(x\)"),
    ],
    ids=["absent", "empty", "torn", "a pickled model", "a list", "nothing", "ten classes", "another network"],
)  # fmt: skip
def test_weights_that_are_not_this_models_are_refused_by_name(tmp_path, write, message):
    write(tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=message):
        load_model("timm:resnet18(num_classes=3)", tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda w: w.to_sparse(), "sparse_coo float32"),
        (lambda w: w.to("meta"), "meta float32"),
        (lambda w: w.to(torch.complex64), "strided complex64"),
        (lambda w: w.to(torch.int8), "strided int8"),
        (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "strided qint8"),
    ],
)
def test_tensors_that_would_lose_something_are_named_with_their_kind(tmp_path, change, kind):
    network = torch.nn.Conv2d(3, 4, 3)
    state = {**network.state_dict(), "weight": change(network.weight.detach())}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match=rf"1 no dense tensors of the model's kind of numbers \(weight \({kind}\)\)"):
        load_weights(torch.nn.Conv2d(3, 4, 3), tmp_path / "w.pt")


def test_other_precisions_of_the_same_kind_are_copied(tmp_path):
    network = torch.nn.Conv2d(3, 4, 3)
    for kind in (torch.float64, torch.float16, torch.bfloat16):
        torch.save({name: value.to(kind) for name, value in network.state_dict().items()}, tmp_path / "w.pt")
        loaded = torch.nn.Conv2d(3, 4, 3)
        load_weights(loaded, tmp_path / "w.pt")
        assert torch.allclose(loaded.weight, network.weight, atol=1e-2)


class Net(nn.Module):
    """A network whose names are short enough to read."""

    def __init__(self, channels=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels))
        self.head = nn.Linear(channels, 2)


class Lit(nn.Module):
    """As a Lightning module holds its network."""

    def __init__(self):
        super().__init__()
        self.model = Net()


def numbered(value, prefix="", build=Net):
    """A state dict of one number everywhere."""
    state = build().state_dict()
    return {prefix + name: torch.full_like(tensor, value) for name, tensor in state.items()}


def loaded(tmp_path, content, key="", model=None):
    torch.save(content, tmp_path / "w.ckpt")
    model = Net() if model is None else model
    load_weights(model, f"{tmp_path}/w.ckpt{key and ':' + key}")
    values = {float(parameter.flatten()[0]) for parameter in model.parameters()}
    assert len(values) == 1
    return values.pop()


CRITERION = {"criterion.weight": torch.ones(2), "metric.seen": torch.zeros(())}
PLACES = {
    "state_dict": lambda: {"state_dict": numbered(1), "epoch": 3},
    "params": lambda: {"params": numbered(1)},
    "net": lambda: {"net": numbered(1), "acc": 93.1},
    "model, in parallel, compiled": lambda: {"model": numbered(1, "_orig_mod.module.")},
    "the same in other orders": lambda: numbered(1, "module.model._orig_mod."),
    "model outside of module": lambda: numbered(1, "model.module."),
    "Lightning": lambda: {"state_dict": {**numbered(1, "model."), **CRITERION}, "pytorch-lightning_version": "2"},
    "a prefix of one's own": lambda: {"state_dict": {**numbered(1, "classifier.backbone."), **CRITERION}},
    "a wrapper inside": lambda: {name.replace("stem.", "stem.module."): v for name, v in numbered(1).items()},
    "an average alone": lambda: {"ema": {"module": numbered(1), "updates": 5}},
    "AveragedModel": lambda: {"n_averaged": torch.tensor(3), **numbered(1, "module.")},
    "with the optimiser's": lambda: {"model": numbered(1), "optimizer": {"state": {"m": numbered(2)}}},
    "deep": lambda: {"trainer": {"task": {"weights": numbered(1)}}},
    "an old torch's": lambda: {n: v for n, v in numbered(1).items() if "batches" not in n},
    "the same twice": lambda: {"best": numbered(1), "last": numbered(1)},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "build",
    [Net, lambda: nn.DataParallel(Net()), Lit, lambda: torch.optim.swa_utils.AveragedModel(Lit())],
    ids=["bare", "in parallel", "in a Lightning module", "an average of a Lightning module"],
)
def test_weights_are_found_whatever_stands_around_them_on_either_side(tmp_path, place, build):
    assert loaded(tmp_path, place(), model=build()) == 1


AVERAGES = {
    "state_dict_ema": lambda: {"state_dict": numbered(1), "state_dict_ema": numbered(2)},
    "params_ema": lambda: {"params_ema": numbered(2), "params": numbered(1)},
    "ema.module": lambda: {"model": numbered(1), "ema": {"module": numbered(2)}},
    "state_dict.ema_model": lambda: {"state_dict": {**numbered(1, "model."), **numbered(2, "ema_model.")}},
    "ema_model": lambda: {**numbered(1), **numbered(2, "ema_model."), **{}},
    "swa": lambda: {"swa": numbered(2), "model": numbered(1)},
}


@pytest.mark.parametrize("key", AVERAGES)
def test_where_averaged_weights_lie_beside_others_they_are_named_and_taken_when_asked_for(tmp_path, key, caplog):
    assert loaded(tmp_path, AVERAGES[key]()) == 1
    assert f"averaged (EMA) weights are there too: --weights {tmp_path}/w.ckpt:{key}" in caplog.text
    caplog.clear()
    assert loaded(tmp_path, AVERAGES[key](), key) == 2
    assert f"the weights taken are {key}" in caplog.text


def test_a_key_may_lead_to_it_or_stop_before(tmp_path):
    content = {"ema": {"module": numbered(2)}, "model": numbered(1, "net.")}
    assert loaded(tmp_path, content, "ema") == 2
    assert loaded(tmp_path, content, "model") == 1
    assert loaded(tmp_path, content, "model.net") == 1


def test_what_was_taken_is_said_and_of_a_plain_file_nothing(tmp_path, caplog):
    loaded(tmp_path, numbered(1))
    assert caplog.text == ""
    loaded(tmp_path, {"state_dict": {**numbered(1, "model."), **CRITERION}})
    assert "the weights taken are state_dict.model; 2 tensors beside them are left out" in caplog.text


def test_a_student_and_a_teacher_are_not_chosen_between(tmp_path):
    content = {**numbered(1, "student."), **numbered(2, "teacher.")}
    with pytest.raises(ConfigError, match=r"2 times; say which: --weights \S+:student or --weights \S+:teacher"):
        loaded(tmp_path, content)
    assert loaded(tmp_path, content, "teacher") == 2


def test_a_key_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(ConfigError, match=r"has no 'ema'; it has state_dict, extra"):
        loaded(tmp_path, {"state_dict": numbered(1), "extra": {"x": torch.ones(1)}}, "ema")


OTHERS = {
    "other widths": (lambda: numbered(1, build=lambda: Net(8)), "holds the weights of another network: .* shape"),
    "other names": (lambda: {"a.b": torch.ones(1), "c": torch.ones(1)}, "holds the weights of another network: .*miss"),
    "a part": (lambda: {n: v for n, v in numbered(1).items() if n != "head.bias"},
               r"does not hold exactly this model's weights: 1 missing \(head\.bias\)\. \d+ tensors fit"),
    "more": (lambda: {"state_dict": {**numbered(1), "aux.weight": torch.ones(1)}},
             r"\(state_dict\) does not hold exactly this model's weights: 1 not in the model \(aux\.weight\)"),
    "more behind a prefix": (lambda: {**numbered(1, "net."), "net.aux": torch.ones(1)}, r"\(net\) .*1 not in .*\(aux"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), OTHERS.values(), ids=OTHERS)
def test_another_network_is_said_only_where_it_is_one_and_the_model_is_left_alone(tmp_path, content, message):
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, content(), model=model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_network_of_its_own_layer_called_module_keeps_its_names(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.module = nn.ModuleDict({"conv": nn.Conv2d(3, 3, 1)})

    assert loaded(tmp_path, numbered(1, build=Named), model=Named()) == 1
