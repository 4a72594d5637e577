"""What commands are given by name, models and data right and wrong, and the one line that a wrong call ends with."""

import torch
from torch import nn

from rdpass.cli.app import run
from tests.data import batches
from tests.models import ControlFlow, bottleneck, classifier, small_resnet_of_four

RESNET, INPUT = "tests.cli.given:resnet", ("--input", "1x3x8x8")


def resnet():
    return small_resnet_of_four()


def bottlenecks():
    return classifier(bottleneck(8, 4), bottleneck(8, 4), classes=4)


def vgg():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())


def untraceable():
    return ControlFlow()


def not_a_module():
    return {"weights": torch.zeros(3)}


def raising():
    raise RuntimeError("no weights here")


def data():
    return batches(2), batches(1, seed=1)


def poisoned():
    images, labels = batches(1)[0]
    return [(images * float("nan"), labels)]


def empty():
    return []


def failing():
    def read():
        raise OSError("unplugged")
        yield

    return read()


def named():
    """Batches as dicts, the model's input under the name that its ``forward`` has for it."""
    return [{"input": images, "labels": labels} for images, labels in batches(2)]


def detector():
    """Gives (N, 6, 4): for each of four cells a box and two scores."""
    return nn.Sequential(*small_resnet_of_four()[:-1], nn.Linear(8, 24), nn.Unflatten(1, (6, 4)))


def boxes():
    """Images with boxes and scores, in pixels."""
    generator = torch.Generator().manual_seed(5)
    return [(images, 8 * torch.rand(len(images), 6, 4, generator=generator)) for images, _ in batches(2)]


def boxes_to_validate():
    return batches(2), boxes()


def box_loss(outputs, batch):
    return (outputs - batch.targets).abs().mean()


def box_distance(student_out, teacher_out):
    return (student_out - teacher_out).abs().mean()


def raising_loss(outputs, batch):
    return (outputs - batch.targets.boxes).abs().mean()


def failure(capsys, *arguments):
    """The exit code and the single line on stderr; nothing on stdout."""
    code = run([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.strip()]
    assert printed.out == ""
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("rdpass: ")
    return code, lines[0]
