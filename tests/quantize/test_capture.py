"""What a network may hold, and how the first layer without a kernel is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_networks import SHAPE, Head, conv_bn_relu, counts
from torch import Tensor, nn

from evbench.errors import ModelError
from evbench.quantize.capture import capture
from evbench.quantize.lower import lower_float
from evbench.quantize.program import prepare


class Around(nn.Module):
    """A stem, something on trial called `trial`, and a head."""

    def __init__(self, trial: nn.Module, channels: int = 6) -> None:
        super().__init__()
        self.stem, self.trial, self.head = conv_bn_relu(4, 6), trial, Head(channels)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trial(self.stem(x)))
        return logits


class Call(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


REFUSED: dict[str, tuple[nn.Module, str, str]] = {
    "dilation": (nn.Conv2d(6, 6, 3, dilation=2), "dilation", "dilation=1"),
    "reflected padding": (nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"), "operator pad", "padding of Conv2d"),
    "transposed convolution": (nn.ConvTranspose2d(6, 6, 3), "conv_transpose2d", "Conv2d"),
    "sigmoid": (nn.Sigmoid(), "operator sigmoid", "Use ReLU"),
    "silu": (nn.SiLU(inplace=True), "operator silu", "Use ReLU"),
    "relu6": (nn.ReLU6(), "operator hardtanh", "Use ReLU"),
    "lonely batch norm": (nn.BatchNorm2d(6), "batch norm that does not directly follow", "right behind a Conv2d"),
    "batch norm after pooling": (nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(6)), "batch norm", "Conv2d"),
    "no running statistics": (
        nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6, track_running_stats=False)),
        "running statistics",
        "track_running_stats=True",
    ),
    "group norm": (nn.GroupNorm(2, 6), "operator group_norm", "BatchNorm2d"),
    "average pool": (nn.AvgPool2d(2, ceil_mode=True), "AvgPool2d with ceil_mode", "ceil_mode=False"),
    "average pool's divisor": (nn.AvgPool2d(2, divisor_override=3), "divisor_override", "divisor_override=None"),
    "adaptive pool to 2": (nn.AdaptiveAvgPool2d(2), "whole map", "AdaptiveAvgPool2d(1)"),
    "dilated max pool": (nn.MaxPool2d(2, dilation=2), "MaxPool2d with dilation", "dilation=1"),
    "ceiling max pool": (nn.MaxPool2d(2, ceil_mode=True), "ceil_mode", "ceil_mode=False"),
    "concatenation": (Call(lambda x: torch.cat([x, x], 2)), "A concatenation", "dim=1"),
    "joined vectors": (
        Call(lambda x: torch.cat([x.flatten(1), x.flatten(1)], 1).reshape(x.shape[0], 6, 24, 12)),
        "A concatenation",
        "flatten behind",
    ),
    "product": (Call(lambda x: x * 2.0), "operator mul", "addition"),
    "addition of a number": (Call(lambda x: x + 1.0), "addition of something else", "one shape"),
    "relu after mean": (
        Call(lambda x: torch.relu(x.mean((2, 3), keepdim=True))),
        "ReLU does not follow",
        "behind a layer or addition",
    ),
    "alpha dropout": (nn.AlphaDropout(), "operator alpha_dropout", "Dropout"),
    "reordering": (Call(lambda x: x.permute(0, 1, 3, 2)), "operator permute", "Conv2d"),
    "new rows": (Call(lambda x: x.reshape(x.shape[0], 6, 24, 6)), "change of shape from (6, 12, 12)", "Flatten"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_layer_without_a_kernel_is_named_with_what_to_use_instead(case: str) -> None:
    trial, what, remedy = REFUSED[case]
    with pytest.raises(ModelError) as caught:
        capture(Around(trial), SHAPE)
    assert what in caught.value.what
    assert "'trial" in caught.value.where
    assert remedy in caught.value.remedy


def test_prepare_and_float_lowering_refuse_alike() -> None:
    network = Around(nn.Sigmoid())
    for refuses in (lambda: prepare(network, SHAPE), lambda: lower_float(network, SHAPE, "n")):
        with pytest.raises(ModelError, match=r"sigmoid.*layer 'trial'.*Use ReLU"):
            refuses()


def test_a_network_must_end_in_a_linear_layer() -> None:
    with pytest.raises(ModelError, match="does not end in a Linear layer"):
        capture(nn.Sequential(conv_bn_relu(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), SHAPE)


def test_a_network_with_two_outputs_is_refused() -> None:
    class Two(Around):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            return logits, logits + logits  # type: ignore[return-value]

    with pytest.raises(ModelError, match="more than one tensor"):
        capture(Two(nn.Identity()), SHAPE)


def test_a_layer_used_twice_is_refused_by_name() -> None:
    conv = nn.Conv2d(6, 6, 3, padding=1)
    with pytest.raises(ModelError, match=r"used twice.*'trial\.[02]'"):
        capture(Around(nn.Sequential(conv, nn.ReLU(), conv)), SHAPE)


def test_a_tensor_read_before_and_after_its_relu_is_refused() -> None:
    class PreActivation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(6, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return torch.relu(y) + y

    with pytest.raises(ModelError, match="both before and after its ReLU"):
        capture(Around(PreActivation()), SHAPE)


def test_a_network_that_branches_on_values_cannot_be_exported() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(ModelError, match="cannot be exported") as caught:
        capture(Around(Branches()), SHAPE)
    assert "\n" not in str(caught.value)


def test_a_change_in_place_through_a_view_is_refused_instead_of_lowered_wrong() -> None:
    class ThroughView(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(6, 6, 1), nn.Linear(6 * 12 * 12, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            y.view(y.shape).relu_()
            logits: Tensor = self.linear(y.flatten(1))
            return logits

    torch.manual_seed(0)
    with pytest.raises(ModelError, match="computes something else"):
        capture(nn.Sequential(conv_bn_relu(4, 6), ThroughView()), SHAPE)


def test_dropout_of_whole_channels_stays_that() -> None:
    modules = [type(module) for module in prepare(Around(nn.Dropout2d(0.5)), SHAPE).modules()]
    assert modules.count(nn.Dropout2d) == 1


def test_capturing_leaves_the_network_as_it_was() -> None:
    network = Around(nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    prepared = prepare(network, SHAPE)
    prepared(counts())
    assert network.training
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_dropout_acts_in_training_only() -> None:
    prepared = prepare(Around(nn.Dropout(0.5)), SHAPE)
    batch = counts()
    assert not torch.equal(prepared(batch), prepared(batch))
    prepared.eval()
    assert torch.equal(prepared(batch), prepared(batch))
