/* Where something happened: one bit per site of a tensor, and what the tensor holds everywhere else.
 *
 * A site is active when its receptive field saw an event. All others hold the background: what the network makes of an
 * empty window, one vector per border class, since taps outside the image are zero and not background. Layers that
 * skip compute the active sites and copy the background to the others: the same bytes as computing them all. */
#ifndef EV_SITES_H
#define EV_SITES_H

#include "ev_kernels.h"

enum { EV_SITES_WORDS = 32 }; /* of the widest row */
enum { EV_WORTH_SKIPPING = 20 }; /* convolutions skip when one of so many sites is not active */

/* bits: [height][words], column x is bit x % 32 of word x / 32; bits behind the last column are clear. */
typedef struct ev_sites {
    int32_t height, width, words;
    uint32_t *bits;
} ev_sites;

/* values: [row class][width][channel]; classes: [height] says which row is of which class. */
typedef struct {
    int32_t channels;
    const uint8_t *classes;
    const uint8_t *values;
} ev_background;

typedef struct {
    const ev_conv2d_s8 *layer;
    ev_background background;
    const ev_sites *in, *out;
} ev_sparse_conv2d_s8;

/* weight: [tile of eight outputs][tap][8 bytes], outputs a to h as a + 128, d, c + 128, b, e + 128, h, g + 128, f. Needs
 * an input without zero point, at most 257 taps, and scratch for all weights as 16 bits. */
typedef struct {
    ev_sparse_conv2d_s8 sites;
    const uint8_t *weight;
} ev_nonzero_conv2d_s8;

/* Layers that make one output per site. */
typedef struct {
    const ev_window *layer;
    ev_background background;
    const ev_sites *in, *out;
} ev_sparse_maxpool;

typedef struct {
    const ev_avgpool2d *layer;
    ev_background background;
    const ev_sites *in, *out;
} ev_sparse_avgpool2d;

typedef struct {
    const ev_add *layer;
    ev_background background;
    const ev_sites *a, *b, *out;
} ev_sparse_add;

/* Goes over all sites in spans of neighbours, row by row, active ones and others by turns; ev_spans_on below. */
typedef struct {
    const ev_sites *sites;
    int32_t y, first, last; /* sites [first, last) */
    int active;
} ev_spans;

/* Marks the pixels [channel] of `image` that hold anything but zeros. */
void ev_find_sites(const uint8_t *image, int32_t channels, const ev_sites *sites);

/* Marks the outputs of a sliding window that see an active input; returns how many they are. */
int32_t ev_spread_sites(const ev_window *window, const ev_sites *in, const ev_sites *out);

/* Marks what is active in one of two, or in both; `out` may be one of them. */
void ev_join_sites(const ev_sites *a, const ev_sites *b, const ev_sites *out);

/* Copies the background to one span, and to all sites that are not active. */
void ev_copy_background(const ev_background *background, const ev_spans *spans, uint8_t *output);
void ev_fill_background(const ev_background *background, const ev_sites *sites, uint8_t *output);

/* As the kernels without `sparse`, computing active sites only; they mark `out` and fill the others. */
void ev_sparse_conv2d_u8s8(const ev_sparse_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_sparse_conv2d_s8s8(const ev_sparse_conv2d_s8 *layer, const int8_t *input, uint8_t *output);
void ev_nonzero_conv2d_u8s8(const ev_nonzero_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_sparse_depthwise_u8s8(const ev_sparse_conv2d_s8 *layer, const uint8_t *input, uint8_t *output);
void ev_sparse_depthwise_s8s8(const ev_sparse_conv2d_s8 *layer, const int8_t *input, uint8_t *output);
void ev_sparse_maxpool_u8(const ev_sparse_maxpool *layer, const uint8_t *input, uint8_t *output);
void ev_sparse_maxpool_s8(const ev_sparse_maxpool *layer, const int8_t *input, int8_t *output);
void ev_sparse_avgpool2d_u8(const ev_sparse_avgpool2d *layer, const uint8_t *input, uint8_t *output);
void ev_sparse_avgpool2d_s8(const ev_sparse_avgpool2d *layer, const int8_t *input, uint8_t *output);
void ev_sparse_add_u8u8(const ev_sparse_add *layer, const uint8_t *a, const uint8_t *b, uint8_t *output);
void ev_sparse_add_u8s8(const ev_sparse_add *layer, const uint8_t *a, const int8_t *b, uint8_t *output);
void ev_sparse_add_s8s8(const ev_sparse_add *layer, const int8_t *a, const int8_t *b, uint8_t *output);

/* All outputs of one site, from a list of its taps; see ev_nonzero.h. */
struct ev_nonzero;
void ev_nonzero_site(const struct ev_nonzero *site);

/* Whether so many of the sites are active that computing all costs less than going from one active site to the next. */
static inline int ev_nearly_all(const ev_sites *sites, int32_t active) {
    const int32_t all = sites->height * sites->width;
    return (all - active) * EV_WORTH_SKIPPING < all;
}

static inline void ev_mark_site(const ev_sites *sites, uint32_t y, uint32_t x) {
    sites->bits[y * (uint32_t)sites->words + x / 32u] |= 1u << x % 32u;
}

/* Goes over the active sites, row by row. */
typedef struct {
    const uint32_t *next, *end;
    int32_t words;      /* per row */
    int32_t row, word;  /* under way */
    uint32_t rest;      /* bits of the word that are still to come */
    int32_t y, x;       /* the site */
} ev_walk;

static inline ev_walk ev_walk_over(const ev_sites *sites) {
    return (ev_walk){.next = sites->bits,
                     .end = sites->bits + sites->height * sites->words,
                     .words = sites->words,
                     .word = sites->words - 1,
                     .row = -1};
}

/* Puts the next active site into y and x; 0, and both as they were, when there is none. */
static inline int ev_walk_on(ev_walk *walk) {
    while (walk->rest == 0) {
        if (walk->next == walk->end) {
            return 0;
        }
        walk->rest = *walk->next++;
        if (++walk->word == walk->words) {
            walk->word = 0;
            walk->row++;
        }
    }
    walk->y = walk->row;
    walk->x = 32 * walk->word + __builtin_ctz(walk->rest);
    walk->rest &= walk->rest - 1;
    return 1;
}

/* Goes over the runs of neighbouring active sites, row by row; a run ends at the end of a word. */
typedef struct {
    ev_walk walk;
    int32_t y, first, last; /* sites [first, last) */
} ev_runs;

static inline ev_runs ev_runs_over(const ev_sites *sites) {
    return (ev_runs){.walk = ev_walk_over(sites)};
}

static inline int ev_runs_on(ev_runs *runs) {
    ev_walk *walk = &runs->walk;
    if (!ev_walk_on(walk)) {
        return 0;
    }
    runs->y = walk->y;
    runs->first = walk->x;
    const uint32_t first = (uint32_t)walk->x % 32u;
    const uint32_t length = 1u + (uint32_t)__builtin_ctz(~(walk->rest >> first >> 1u));
    runs->last = walk->x + (int32_t)length;
    walk->rest &= first + length < 32u ? ~0u << (first + length) : 0;
    return 1;
}

/* The first column of a row from x on whose bit is `wanted`, or the width. */
static inline int32_t ev_find_column(const uint32_t *row, int32_t x, int32_t width, int wanted) {
    while (x < width) {
        const uint32_t word = wanted ? row[x / 32] : ~row[x / 32];
        const uint32_t rest = word >> (uint32_t)x % 32u;
        if (rest != 0) {
            x += __builtin_ctz(rest);
            return x < width ? x : width;
        }
        x = (x / 32 + 1) * 32;
    }
    return width;
}

static inline ev_spans ev_spans_over(const ev_sites *sites) {
    return (ev_spans){.sites = sites, .y = -1, .last = sites->width};
}

static inline int ev_spans_on(ev_spans *spans) {
    const ev_sites *sites = spans->sites;
    spans->first = spans->last;
    spans->active = !spans->active;
    if (spans->first == sites->width) {
        if (++spans->y == sites->height) {
            return 0;
        }
        spans->first = 0;
        spans->active = (int)(sites->bits[spans->y * sites->words] & 1u);
    }
    spans->last = ev_find_column(sites->bits + spans->y * sites->words, spans->first, sites->width, !spans->active);
    return 1;
}

#endif
