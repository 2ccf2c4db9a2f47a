"""IntegerGraph to C: model.c, model.h, and one file of constants that the assembler includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evbench.compile.constants import Constants
from evbench.compile.layers import Call, float_literal, lower_operator, scratch_words
from evbench.compile.representation import stream_constants
from evbench.compile.sparse import (
    Choice,
    Sparsity,
    choose,
    nonzero_words,
    site_definitions,
    skipping_call,
    tracking_call,
)
from evbench.errors import BuildError
from evbench.graph.memory import MemoryPlan, Placement
from evbench.graph.model import DType, IntegerGraph, Operator, Tensor
from evbench.graph.validate import validate

LINK_OUTPUTS = 240  # float32 values that fit one RESULT frame
_SPANS = ("ev_spread_sites", "ev_copy_background")
_SITES = (*_SPANS, "ev_fill_background")
PARTS = {  # kernels that other kernels call
    "ev_conv2d_u8s8": ("ev_multiply_pairs",),
    "ev_conv2d_s8s8": ("ev_multiply_pairs",),
    "ev_conv2d_s16s8": ("ev_multiply_pairs_s16",),
    "ev_grouped_s16s8": ("ev_multiply_pairs_s16",),
    "ev_grouped_u8s8": ("ev_multiply_pairs",),
    "ev_grouped_s8s8": ("ev_multiply_pairs",),
    "ev_sparse_conv2d_u8s8": ("ev_conv2d_u8s8", "ev_multiply_pairs", *_SITES),
    "ev_sparse_conv2d_s8s8": ("ev_conv2d_s8s8", "ev_multiply_pairs", *_SITES),
    "ev_nonzero_conv2d_u8s8": ("ev_conv2d_u8s8", "ev_multiply_pairs", "ev_nonzero_site", *_SITES),
    "ev_sparse_depthwise_u8s8": _SITES,
    "ev_sparse_depthwise_s8s8": _SITES,
    "ev_sparse_maxpool_u8": _SPANS,
    "ev_sparse_maxpool_s8": _SPANS,
    "ev_sparse_avgpool2d_u8": _SPANS,
    "ev_sparse_avgpool2d_s8": _SPANS,
    "ev_sparse_add_u8u8": ("ev_join_sites", "ev_copy_background"),
    "ev_sparse_add_u8s8": ("ev_join_sites", "ev_copy_background"),
    "ev_sparse_add_s8s8": ("ev_join_sites", "ev_copy_background"),
}


@dataclass(frozen=True, slots=True)
class Generated:
    """Files of a compiled network by name, and the kernels (file stems in firmware/kernels) that they call.

    constant_bytes: bytes of constants by layer name. fast_bytes: how many bytes at the end of weights.bin are copied to
    fast memory at start-up. layer_kernels: the kernel of each layer, in their order.
    """

    files: Mapping[str, bytes]
    kernels: tuple[str, ...]
    constant_bytes: Mapping[str, int] = field(default_factory=dict)
    fast_bytes: int = 0
    choices: tuple[Choice, ...] = ()
    layer_kernels: tuple[str, ...] = ()

    def write(self, directory: Path) -> None:
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


def generate(graph: IntegerGraph, plan: MemoryPlan, directory: Path | None = None) -> Generated:
    """The C sources of `graph` with tensors placed as `plan` says, also written to `directory` when one is given.

    model.c holds layer and tensor tables and one call per layer, weights.S with weights.bin all constants, in the order
    firmware/kernels read them: channels last. Raises ModelError for a malformed graph, BuildError naming the layer that
    firmware has no kernel for.
    """
    validate(graph)
    if len(graph.inputs) != 1 or graph.states:
        raise BuildError(
            f"'{graph.name}' has {len(graph.inputs)} inputs and {len(graph.states)} states",
            where="firmware takes one input and keeps no state between windows",
            remedy="Lower the network without recurrent layers",
        )
    index = {name: number for number, name in enumerate(graph.tensors)}
    constants = Constants()
    calls: list[Call] = []
    constant_bytes = {}
    sparsity = choose(graph)
    for number, operator in enumerate(graph.operators):
        before = constants.size + constants.fast_size
        call = lower_operator(graph, operator, number, index, constants)
        if operator.name in sparsity.skipping:
            background = sparsity.backgrounds[operator.output]
            zeros = operator.name in sparsity.nonzero
            call = skipping_call(graph, operator, call, number, index, background, constants, nonzero=zeros)
        elif operator.name in sparsity.tracked:
            call = tracking_call(operator, call, index)
        calls.append(call)
        constant_bytes[operator.name] = constants.size + constants.fast_size - before
    files = {
        "model.h": _header(graph).encode(),
        "model.c": _source(graph, plan, calls, index, sparsity).encode(),
        "weights.S": _weights_source(constants).encode(),
        "weights.bin": constants.content(),
    }
    kernels = {kernel for call in calls for kernel in (call.kernel, *call.helpers)}
    kernels |= {part for kernel in kernels for part in PARTS.get(kernel, ())}
    kernels |= {"ev_find_sites"} if sparsity.tracked else set()
    kernels |= {"ev_join_sites"} if sparsity.tracked - sparsity.skipping else set()
    generated = Generated(
        files,
        tuple(sorted(kernels)),
        constant_bytes,
        constants.fast_size,
        sparsity.choices,
        tuple(call.kernel for call in calls),
    )
    if directory is not None:
        generated.write(directory)
    return generated


def quoted(text: str) -> str:
    """A C string literal."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\?' else "_" for c in text)
    return f'"{plain}"'


def layer_scratch_bytes(graph: IntegerGraph, operator: Operator) -> int:
    """Bytes of scratch that the kernel of one layer may use, skipping or not."""
    return 4 * max(scratch_words(graph, operator), nonzero_words(graph, operator))


def output_size(graph: IntegerGraph) -> int:
    """How many float32 values a run returns: the elements of all f32 outputs and the real values of 8-bit vectors."""
    return sum(graph.tensors[name].size for name in graph.outputs if _is_returned(graph.tensors[name]))


def _is_returned(tensor: Tensor) -> bool:
    """Feature maps of several pixels stay where they are, as integers."""
    height, width, _ = _extent(tensor)
    return tensor.dtype.is_float or height * width == 1


def _copied(tensor: Tensor, number: int, position: int) -> str:
    """The statement that writes an output's real values to logits[position] and on."""
    if tensor.dtype.is_float:
        return f"__builtin_memcpy(logits + {position}, TENSOR_{number}, {tensor.bytes});"
    kind = "uint8_t" if tensor.dtype is DType.U8 else "int8_t"
    value = f"(float)(((const {kind} *)TENSOR_{number})[i] - ({tensor.zero_point})) * {float_literal(tensor.scale)}"
    return f"for (uint32_t i = 0; i < {tensor.size}; i++) logits[{position} + i] = {value};"


def _address(place: Placement) -> str:
    return f"((void *)(arena_{place.region} + {place.offset}))"


def _header(graph: IntegerGraph) -> str:
    outputs = output_size(graph)
    if outputs > LINK_OUTPUTS:
        raise BuildError(
            f"'{graph.name}' has {outputs} float outputs; a board reports at most {LINK_OUTPUTS}",
            where=f"output {', '.join(graph.outputs)}",
            remedy="Use fewer classes, or leave large outputs as 8-bit tensors",
        )
    return f"""/* Sizes of the network in model.c. Generated by evbench. */
#ifndef MODEL_H
#define MODEL_H

#include "ev_model.h"

enum {{ EV_MODEL_LAYERS = {len(graph.operators)}, EV_MODEL_TENSORS = {len(graph.tensors)} }};
enum {{ EV_MODEL_OUTPUTS = {outputs} }};

{stream_constants(graph)}

#endif
"""


def _weights_source(constants: Constants) -> str:
    size = constants.size
    fast = _FAST_WEIGHTS.format(start=size, size=constants.fast_size) if constants.fast_size else ""
    return _WEIGHTS.format(size=size, fast=fast)


def _extent(tensor: Tensor) -> tuple[int, int, int]:
    """Height, width and channels; vectors are one pixel."""
    channels, height, width = tensor.shape if len(tensor.shape) == 3 else (tensor.size, 1, 1)
    return height, width, channels


def _source(
    graph: IntegerGraph, plan: MemoryPlan, calls: list[Call], index: Mapping[str, int], sparsity: Sparsity
) -> str:
    arenas = [
        f'static uint8_t arena_{region}[{size}] EV_REGION("{region}");' for region, size in plan.peak.items() if size
    ]
    places = [f"#define TENSOR_{number} {_address(plan.placements[name])}" for name, number in index.items()]
    places += [f"#define SCRATCH {_address(plan.scratch)}"] if plan.scratch else []
    tensors = []
    for name, tensor in graph.tensors.items():
        height, width, channels = _extent(tensor)
        tensors.append(
            f"    {{{quoted(name)}, TENSOR_{index[name]}, {tensor.bytes}, {height}, {width}, {channels}, "
            f"EV_{tensor.dtype.upper()}, (uint8_t)({tensor.zero_point}), {float_literal(tensor.scale)}}},"
        )
    layers = [f"    {{{quoted(op.name)}, {index[op.output]}}}," for op in graph.operators]
    cases = [f"    case {number}: {call.statement} break;" for number, call in enumerate(calls)]
    copies = []
    position = 0
    for name in graph.outputs:
        tensor = graph.tensors[name]
        if _is_returned(tensor):
            copies.append(f"    {_copied(tensor, index[name], position)}")
            position += tensor.size
    digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(graph.digest))
    source = index[graph.inputs[0]]
    sites = site_definitions(graph, sparsity.tracked, index)
    channels = _extent(graph.tensors[graph.inputs[0]])[2]
    return _MODEL.format(
        title=quoted(graph.name).strip('"').replace("*", "_"),
        name=quoted(graph.name),
        arenas="\n".join(arenas),
        places="\n".join(places),
        constants="\n\n".join(call.definition for call in calls if call.definition),
        tensors="\n".join(tensors),
        layers="\n".join(layers),
        cases="\n".join(cases),
        copies="\n".join(copies) or "    (void)logits;",
        digest=digest,
        source=source,
        outputs=output_size(graph),
        kept=int(plan.inputs_kept),
        sites=sites or "/* No layer skips: where events fall is not noted. */",
        activity=f"&sites_{source}" if sites else "0",
        fired=_address(plan.lasting) if plan.lasting else "0",
        find=_FIND.format(source=source, channels=channels) if sites else "",
    )


_WEIGHTS = """/* The network's constants. EV_WEIGHTS_SECTION puts them elsewhere than into .rodata. */
#ifndef EV_WEIGHTS_SECTION
#ifdef __APPLE__
#define EV_WEIGHTS_SECTION __TEXT,__const
#else
#define EV_WEIGHTS_SECTION .rodata.ev_weights,"a"
#endif
#endif
#ifdef __APPLE__
#define EV_WEIGHTS _ev_weights
#define EV_FAST_WEIGHTS _ev_fast_weights
#else
#define EV_WEIGHTS ev_weights
#define EV_FAST_WEIGHTS ev_fast_weights
#endif
    .section EV_WEIGHTS_SECTION
    .globl EV_WEIGHTS
    .balign 32
EV_WEIGHTS:
    .incbin "weights.bin", 0, {size}
    .byte 0
#ifdef __ELF__
    .size ev_weights, . - ev_weights
#endif
{fast}#ifdef __ELF__
    .section .note.GNU-stack,"",%progbits
#endif
"""

_FAST_WEIGHTS = """/* Constants that a run reads once: variables, so that start-up copies them to fast memory. */
#ifdef __APPLE__
    .section __DATA,__data
#else
    .section .data.ev_fast_weights,"aw"
#endif
    .globl EV_FAST_WEIGHTS
    .balign 8
EV_FAST_WEIGHTS:
    .incbin "weights.bin", {start}, {size}
#ifdef __ELF__
    .size ev_fast_weights, . - ev_fast_weights
#endif
"""

_FIND = """    if (layer == 0 && window != 0) {{
        ev_find_sites(window, {channels}, &sites_{source});
    }}
"""

_MODEL = """/* {title}: layers, tensors and their order. Generated by evbench. */
#include "model.h"
#include "ev_kernels.h"
#include "ev_sites.h"

/* Arenas that tensors share. With EV_USE_REGIONS each lies in a section of its own, .bss.ev_<region>, for the linker
 * script to place; otherwise in ordinary memory. */
#ifdef EV_USE_REGIONS
#define EV_REGION(name) __attribute__((aligned(32), section(".bss.ev_" name)))
#else
#define EV_REGION(name) __attribute__((aligned(32)))
#endif
{arenas}

{places}

extern const uint8_t ev_weights[], ev_fast_weights[];
#define EV_CONSTANTS(offset) ((const void *)(ev_weights + (offset)))
#define EV_FAST_CONSTANTS(offset) ((const void *)(ev_fast_weights + (offset)))

{sites}
const ev_sites *const ev_model_activity = {activity};
uint32_t *const ev_model_fired = {fired};

{constants}

const ev_model_info ev_model = {{{name}, EV_MODEL_LAYERS, EV_MODEL_TENSORS, {source}, EV_MODEL_OUTPUTS, {kept}}};

const ev_layer_info ev_model_layers[EV_MODEL_LAYERS] = {{
{layers}
}};

const ev_tensor_info ev_model_tensors[EV_MODEL_TENSORS] = {{
{tensors}
}};

const uint8_t ev_model_digest[32] = {{{digest}}};

static void run_layer(uint32_t layer, const uint8_t *window) {{
    const uint8_t *input = window != 0 ? window : TENSOR_{source};
    (void)input;
{find}    switch (layer) {{
{cases}
    default: break;
    }}
}}

uint8_t *ev_model_input(void) {{
    return TENSOR_{source};
}}

void ev_model_output(float *logits) {{
{copies}
}}

ev_status ev_model_run_layers(const uint8_t *input, uint32_t first, uint32_t last, ev_layer_hook hook, void *user) {{
    if (first > last || last >= EV_MODEL_LAYERS) {{
        return EV_BAD_ARGUMENT;
    }}
    for (uint32_t layer = first; layer <= last; layer++) {{
        if (hook != 0) {{
            hook(user, layer, 0);
        }}
        run_layer(layer, input);
        if (hook != 0) {{
            hook(user, layer, 1);
        }}
    }}
    return EV_OK;
}}

ev_status ev_model_run(const uint8_t *input, float *logits, ev_layer_hook hook, void *user) {{
    ev_status status = ev_model_run_layers(input, 0, EV_MODEL_LAYERS - 1, hook, user);
    if (status == EV_OK && logits != 0) {{
        ev_model_output(logits);
    }}
    return status;
}}
"""
