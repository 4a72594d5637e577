"""The zoo: which architectures of torchvision, timm and pytorchcv the sweep looks at, and how each is built.

Every architecture of torchvision's classification and segmentation; of timm, up to four small ones of each model file
(a larger one where there is none), and those with golden counts; of pytorchcv, one each of 75 files that take images.
Random weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import nn

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.sources.models import load_model

PER_FILE = 4
MOST_OF_PYTORCHCV = 75
# Too large for a quick sweep, and of the same form as their smaller sisters.
HUGE = re.compile(
    r"giant|gigantic|huge|enormous|so\d+m|7b|_xx?l|xx?large|_large|_1b|_2b|_e?6b|bigg|_dpn131|152|1001|1202|200|269|350|420"
    r"|b[5-8]$|b[5-8]_|_base|h_14|l_\d\d|_128gf|(320|640|1280|2560)$|_f[3-7]|nf_l|_h\d|_rw_|m_480|_l\d"
)
# Taken only where a file has none that is smaller; timm's own for tests are no architectures.
LARGE = re.compile(
    r"^test_|base|medium|plus|_x(_|$)|_[ml]\d*(_|$)|_lite_m|[bm](36|48)|_b[2-4](_|$)|_\d00m|_[34]\d\d|_512|_2[12]m|xl"
    r"|w[3-6]\d|101|107|_(064|080|120|160)(_|$)|_[13]b_|_d[2-5]_|_e\d(_|$)|_p8_|_24_|_[m]\d\d"
)
GOLDEN_TIMM = (
    "resnet18", "resnet34", "resnet26", "resnet50", "resnet101", "resnet50d", "resnext50_32x4d", "wide_resnet50_2",
    "seresnet50", "ecaresnet50d", "resnetv2_50", "regnetx_002", "regnety_002", "regnety_032", "res2net50_26w_4s",
    "resnest50d", "skresnet18", "hrnet_w18_small", "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100",
    "efficientnet_b0", "tf_efficientnetv2_b0", "mnasnet_100", "fbnetc_100", "semnasnet_100", "tinynet_a",
    "ghostnet_100", "rexnet_100", "repvgg_a0", "repvgg_b0", "mobileone_s0", "mobileone_s1", "fastvit_t8",
    "convnext_tiny", "convnext_atto", "convmixer_768_32", "densenet121", "vgg16", "dla34", "dla60", "darknet53",
    "cspresnet50", "inception_v3", "inception_resnet_v2", "xception41", "nf_resnet50", "dm_nfnet_f0", "dpn68",
    "vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s32_224",
    "resmlp_12_224", "levit_128s", "maxvit_tiny_tf_224", "poolformer_s12", "tresnet_m", "selecsls42b",
    "ese_vovnet19b_dw",
)  # fmt: skip
# Speech, optical flow, faces in three dimensions, video: no images in, or several things besides.
NOT_IMAGES = {
    "jasper", "jasperdr", "quartznet", "raft", "nvpattexp", "propainter_rfc", "propainter_ip", "propainter", "voca",
    "visemenet", "prnet", "pfpcnet",
}  # fmt: skip
LIBRARIES = ("torchvision", "timm", "pytorchcv")


@dataclass(frozen=True)
class Entry:
    """One architecture; ``file`` is the library's module that defines it."""

    library: str
    name: str
    file: str

    @property
    def spec(self) -> str:
        return f"{self.library}:{self.name}"


def entries() -> list[Entry]:
    """The zoo, one of each file first, so that a sweep cut short has seen most of it."""
    prepare_torchvision()
    timm, others = list(_timm()), [*_torchvision(), *_pytorchcv()]
    first = len(GOLDEN_TIMM) + len({entry.file for entry in timm})
    return [*timm[:first], *others, *timm[first:]]


def build(entry: Entry) -> nn.Module:
    """The architecture with random weights, in eval mode."""
    prepare_torchvision()
    torch.manual_seed(0)
    if entry.library in ("torchvision", "timm"):
        return load_model(entry.spec)[0].eval()
    from pytorchcv.model_provider import get_model

    return get_model(entry.name, pretrained=False).eval()  # type: ignore[no-any-return]


def _torchvision() -> Iterator[Entry]:
    from torchvision import models

    for name in models.list_models(module=models):
        yield Entry("torchvision", name, models.get_model_builder(name).__module__.rpartition(".")[2])
    for name in models.list_models(module=models.segmentation):
        yield Entry("torchvision", name, "segmentation")


def _timm() -> Iterator[Entry]:
    import timm

    files = {file: timm.list_models(module=file) for file in timm.list_modules()}
    golden = {name: file for file, names in files.items() for name in names if name in GOLDEN_TIMM}
    for name in GOLDEN_TIMM:
        yield Entry("timm", name, golden[name])
    for names in zip_longest(*(_spread(names) for names in files.values())):
        for file, name in zip(files, names, strict=True):
            if name is not None and name not in golden:
                yield Entry("timm", name, file)


def _pytorchcv() -> Iterator[Entry]:
    from pytorchcv.model_provider import _models

    seen: set[str] = set()
    constructors: dict[str, Any] = _models
    for name, constructor in constructors.items():
        if len(seen) == MOST_OF_PYTORCHCV:
            return
        file = constructor.__module__.rpartition(".")[2]
        if file not in seen and file not in NOT_IMAGES and not HUGE.search(name):
            seen.add(file)
            yield Entry("pytorchcv", name, file)


def _spread(names: list[str]) -> list[str]:
    """Up to four names, evenly spaced over the small ones; where there is none a larger one, best for 224 px."""
    usual = [name for name in names if not HUGE.search(name)]
    others = usual or sorted(names, key=lambda name: "224" not in name)
    chosen = [name for name in usual if not LARGE.search(name)] or others[:1]
    count = min(PER_FILE, len(chosen))
    return [chosen[index * len(chosen) // count] for index in range(count)]
