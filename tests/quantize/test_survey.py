"""A network is surveyed before training with the names and types that its integer graph will have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from evbench.graph.audit import audit, layers_of, load_target
from evbench.networks.registry import create
from evbench.quantize.survey import survey
from evbench.training.untrained import untrained_graph


@pytest.mark.parametrize("name", ["voxel-dsc", "voxel-resnet"])
def test_a_survey_equals_the_layers_of_the_lowered_network(name: str) -> None:
    shape = (2, 64, 64)
    surveyed = survey(create(name, shape[0], 3, shape[1:]), shape)
    assert surveyed == layers_of(untrained_graph(name, shape, 3))


def test_zeros_in_front_of_a_convolution_are_its_padding_and_no_layer() -> None:
    network = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(3 * 8 * 7, 2))
    layers = survey(network, (4, 8, 8))
    assert [(layer.name, layer.operator) for layer in layers] == [("1", "convolution"), ("3", "linear")]


class Strange(nn.Module):
    """Groups, dilation, a gate, padding that counts, a transposed convolution: most of it without a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, 3, groups=2)
        self.wide = nn.Conv2d(8, 8, 3, dilation=2)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.pool(torch.relu(self.grouped(x)))
        gate = torch.sigmoid(self.wide(maps))
        logits: Tensor = self.head(self.up(gate).mean(dim=(2, 3)))
        return logits


def test_what_has_no_kernel_is_surveyed_all_the_same_and_fails_by_name() -> None:
    layers = survey(Strange(), (4, 16, 16))
    found = {finding.layer.operator: finding for finding in audit(layers, load_target("evbench"))}
    assert {operator: finding.status for operator, finding in found.items()} == {
        "grouped convolution": "supported",
        "average pooling": "supported",
        "convolution": "fails",
        "activation": "fails",
        "transposed convolution": "fails",
        "global average": "supported",
        "linear": "supported",
    }
    assert found["convolution"].layer.name == "wide"
    assert "dilation" in found["convolution"].layer.traits
    assert "ReLU" in found["activation"].instead
    assert "padding counted" in found["average pooling"].layer.traits
    assert found["linear"].layer.output == "f32"
