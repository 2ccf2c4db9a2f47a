/* The class of one input, given as the integers of the model's input tensor. */
#include "model.h"

static float logits[EV_MODEL_OUTPUTS];

/* bytes: uint8 [height][width][channel]; real value = (byte - zero_point) * scale, both in ev_model_tensors. */
static int classify(const uint8_t *bytes) {
    if (ev_model_run(bytes, logits, 0, 0) != EV_OK) {
        return -1;
    }
    int best = 0;
    for (int i = 1; i < EV_MODEL_OUTPUTS; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

int main(void) {
    const ev_tensor_info *input = &ev_model_tensors[ev_model.input];
    uint8_t *bytes = ev_model_input();
    for (uint32_t i = 0; i < input->bytes; i++) {
        bytes[i] = input->zero_point;
    }
    return classify(bytes);
}
