/* Global average pooling in float32: positions are added in the order they are stored. */
#include "ev_kernels.h"

void ev_avgpool_f32(int32_t positions, int32_t channels, const float *input, float *output) {
    for (int32_t c = 0; c < channels; c++) {
        float sum = 0.0f;
        for (int32_t p = 0; p < positions; p++) {
            sum += input[p * channels + c];
        }
        output[c] = sum / (float)positions;
    }
}
