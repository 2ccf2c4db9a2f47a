"""Layers with weights: the integers they stand for in training, in evaluation and in the graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evbench.quantize.layers import ConvLayer, LinearLayer


def layer(
    norm: nn.BatchNorm2d | None, *, bias: bool = True, scale_in: float = 0.03, per_channel: bool = True
) -> ConvLayer:
    torch.manual_seed(2)
    made = ConvLayer(
        torch.randn(5, 3, 3, 3) * torch.tensor([1.0, 0.1, 3.0, 1e-3, 7.0]).reshape(5, 1, 1, 1),
        torch.randn(5) if bias else None,
        norm,
        stride=(1, 1),
        padding=(1, 1, 1, 1),
        groups=1,
        per_channel=per_channel,
    )
    made.input_scale = lambda: torch.tensor(scale_in)
    return made


def batch_norm() -> nn.BatchNorm2d:
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(5, eps=1e-3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.7, 1.5]))
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.2, 4)
    return norm


def test_weights_are_symmetric_int8_and_every_channel_uses_its_whole_range() -> None:
    constants = layer(batch_norm()).integer()
    assert constants.weight.dtype == torch.int8
    assert constants.weight.abs().flatten(1).amax(1).tolist() == [127] * 5


def test_batch_norm_folds_into_integers_that_stay_close_to_the_float_layer() -> None:
    conv = layer(batch_norm())
    weight, bias = conv.folded()
    constants = conv.integer()
    assert ((constants.real_weight() - weight).abs() <= constants.scale.reshape(-1, 1, 1, 1) * 0.501).all()
    assert ((constants.real_bias() - bias).abs() <= constants.bias_scale * 0.5 + bias.abs() * 1e-6).all()
    x = torch.randn(2, 3, 6, 6)
    conv.eval().fake_quantize = False
    torch.testing.assert_close(conv(x), nn.functional.conv2d(x, weight, bias, 1, 1), atol=1e-4, rtol=1e-4)


def test_per_tensor_all_folded_weights_of_a_convolution_lie_on_one_grid() -> None:
    norm = batch_norm()
    conv = layer(norm, per_channel=False)
    weight, _ = conv.folded()
    constants = conv.integer()
    assert len(set(constants.scale.tolist())) == 1
    assert float(constants.scale[0]) == pytest.approx(float(weight.abs().max()) / 127)
    assert int(constants.weight.abs().max()) == 127
    assert ((constants.real_weight() - weight).abs() <= constants.scale[0] * 0.501).all()
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(conv.rounded_weight() * factor, constants.real_weight(), atol=1e-6, rtol=1e-5)


def test_per_tensor_a_channel_that_batch_norm_switches_off_is_zero() -> None:
    norm = batch_norm()
    with torch.no_grad():
        norm.weight[1] = 0.0
    conv = layer(norm, per_channel=False)
    assert int(conv.integer().weight[1].abs().max()) == 0
    assert torch.isfinite(conv.train()(torch.randn(2, 3, 6, 6))).all()


def test_biases_lie_on_the_int32_grid_of_their_accumulator_in_evaluation_and_training() -> None:
    conv = layer(None)
    constants = conv.integer()
    assert constants.bias.dtype == torch.int32
    assert torch.equal(constants.bias_scale, torch.tensor(0.03) * constants.scale)
    zeros = torch.zeros(1, 3, 1, 1)
    for training in (False, True):
        steps = conv.train(training)(zeros).flatten() / constants.bias_scale
        torch.testing.assert_close(steps, constants.bias.float(), atol=0.01, rtol=1e-6)
    assert not torch.equal(constants.real_bias(), conv.bias)


def test_training_and_evaluation_round_weights_alike_and_gradients_pass_through() -> None:
    conv = layer(None, bias=False)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(conv.train()(x), conv.eval()(x), atol=1e-4, rtol=1e-5)
    conv.train()(x).sum().backward()
    assert conv.weight.grad is not None
    assert (conv.weight.grad != 0).all()


def test_a_frozen_norm_is_folded_in_training_as_the_board_computes_it_and_still_learns() -> None:
    norm = batch_norm()
    with torch.no_grad():
        norm.weight[4] = 0.0
    conv = layer(norm)
    conv.norm_frozen = True
    x = torch.randn(2, 3, 6, 6)
    before = [norm.running_mean.clone(), norm.running_var.clone()]
    trained = conv.train()(x)
    torch.testing.assert_close(trained, conv.eval()(x), atol=1e-4, rtol=1e-5)
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])
    trained.square().sum().backward()
    conv.fake_quantize = False
    expected = torch.autograd.grad(
        nn.functional.batch_norm(
            conv.apply_weights(x, conv.weight, conv.bias), *before, norm.weight, norm.bias, eps=norm.eps
        )
        .square()
        .sum(),
        [conv.weight, conv.bias, norm.weight, norm.bias],
    )
    found = [parameter.grad for parameter in (conv.weight, conv.bias, norm.weight, norm.bias)]
    for gradient, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=0.02, atol=0.02 * wanted.abs().max().item())


def test_a_channel_switched_off_by_batch_norm_keeps_its_bias_within_int32() -> None:
    norm = batch_norm()
    with torch.no_grad():
        norm.weight[1], norm.weight[2] = 0.0, 1e-12
        norm.bias.fill_(3.0)
    conv = layer(norm)
    constants = conv.integer()
    assert constants.weight[1].abs().max() == 0
    assert constants.bias.abs().max() <= 2**22
    torch.testing.assert_close(
        constants.real_bias(), conv.folded()[1], rtol=1e-6, atol=constants.bias_scale.max().item()
    )


@pytest.mark.parametrize(("per_channel", "scales"), [(False, 1), (True, 4)])
def test_a_linear_layer_has_one_weight_scale_or_one_per_output(per_channel: bool, scales: int) -> None:
    torch.manual_seed(4)
    linear = LinearLayer(torch.randn(4, 6), torch.randn(4), per_channel=per_channel)
    constants = linear.integer()
    assert constants.scale.shape == (4,)
    assert len(set(constants.scale.tolist())) == scales
    x = torch.randn(3, 6)
    torch.testing.assert_close(linear.train()(x), linear.eval()(x), atol=1e-5, rtol=1e-5)
