/* Sort row digests, merge sorted runs of them, and search in sorted row keys. */
#include "lt.h"

typedef struct {
  uint8_t bytes[32];
} Digest;

static inline uint64_t key_of(const uint8_t *digest) {
  uint64_t key;
  memcpy(&key, digest, 8);
  return LT_BIG_ENDIAN ? key : __builtin_bswap64(key);
}

static inline int order(const Digest *a, const Digest *b) {
  uint64_t x = key_of(a->bytes), y = key_of(b->bytes);
  if (x != y) return x < y ? -1 : 1;
  return memcmp(a->bytes + 8, b->bytes + 8, 24);
}

static void insertion(Digest *at, size_t count) {
  for (size_t i = 1; i < count; i++) {
    if (order(&at[i - 1], &at[i]) <= 0) continue;
    Digest held = at[i];
    size_t k = i;
    do at[k] = at[k - 1];
    while (--k > 0 && order(&at[k - 1], &held) > 0);
    at[k] = held;
  }
}

/* For digests that someone made to share their first bytes: never worse than n log n. */
static void merge_sort(Digest *at, Digest *other, size_t count) {
  enum { SMALL = 12 };
  for (size_t low = 0; low < count; low += SMALL) insertion(at + low, count - low < SMALL ? count - low : SMALL);
  Digest *from = at, *to = other;
  for (size_t width = SMALL; width < count; width *= 2) {
    for (size_t low = 0; low < count; low += 2 * width) {
      size_t middle = low + width < count ? low + width : count, high = middle + width < count ? middle + width : count;
      if (middle == high || order(&from[middle - 1], &from[middle]) <= 0) {
        memcpy(to + low, from + low, (high - low) * sizeof *to);
        continue;
      }
      for (size_t a = low, b = middle, i = low; i < high; i++)
        to[i] = a < middle && (b >= high || order(&from[a], &from[b]) <= 0) ? from[a++] : from[b++];
    }
    Digest *swap = from;
    from = to;
    to = swap;
  }
  if (from != at) memcpy(at, from, count * sizeof *at);
}

/* Sort digests that lie in pieces into `out`, which has room for all; the pieces are used as scratch no more. Two rounds by leading
 * bits, as digests are spread evenly; buckets that are not small after that are sorted by merging. 0 when memory is out. */
LT_EXPORT int lt_sort(const Digest *const *pieces, const uint64_t *counts, int32_t many, Digest *out) {
  enum { FIRST = 256, MOST = 4096 };
  size_t starts[FIRST + 1] = {0}, next[FIRST], largest = 0;
  for (int32_t piece = 0; piece < many; piece++)
    for (size_t i = 0; i < counts[piece]; i++) starts[pieces[piece][i].bytes[0] + 1]++;
  for (int b = 0; b < FIRST; b++) {
    if (starts[b + 1] > largest) largest = starts[b + 1];
    starts[b + 1] += starts[b];
  }
  memcpy(next, starts, sizeof next);
  for (int32_t piece = 0; piece < many; piece++)
    for (size_t i = 0; i < counts[piece]; i++) out[next[pieces[piece][i].bytes[0]]++] = pieces[piece][i];
  Digest *other = malloc((largest + 1) * sizeof *other);
  if (!other) return 0;
  for (int b = 0; b < FIRST; b++) {
    Digest *at = out + starts[b];
    size_t some = starts[b + 1] - starts[b];
    uint32_t ends[MOST + 1];
    int bits = 1;
    while (bits < 12 && some >> bits > 2) bits++;
    if (some < 16 || some > UINT32_MAX) {
      merge_sort(at, other, some);
      continue;
    }
    int shift = 56 - bits;
    uint32_t mask = (1u << bits) - 1;
    memcpy(other, at, some * sizeof *at);
    memset(ends, 0, (mask + 2) * sizeof *ends);
    for (size_t i = 0; i < some; i++) ends[(key_of(other[i].bytes) >> shift & mask) + 1]++;
    for (uint32_t k = 0; k <= mask; k++) ends[k + 1] += ends[k];
    for (size_t i = 0; i < some; i++) at[ends[key_of(other[i].bytes) >> shift & mask]++] = other[i];
    uint32_t begin = 0; /* `ends` now holds where each bucket ends */
    for (uint32_t k = 0; k <= mask; k++) {
      uint32_t size = ends[k] - begin;
      if (size > 24) merge_sort(at + begin, other, size);
      else if (size > 1) insertion(at + begin, size);
      begin = ends[k];
    }
  }
  free(other);
  return 1;
}

/* Take the row keys of digests: their first 8 bytes as a number, big end first. */
LT_EXPORT void lt_keys(const Digest *at, size_t count, uint64_t *keys) {
  for (size_t i = 0; i < count; i++) keys[i] = key_of(at[i].bytes);
}

/* Merge runs: each has `left[i]` digests at `at[i]`, and `more[i]` tells that it goes on elsewhere. Writes up to `room` digests,
 * stops early when a run that goes on is used up (`which`), and moves `at` and `left`. Returns how many were written. */
LT_EXPORT size_t lt_merge(const Digest **at, size_t *left, const uint8_t *more, int32_t runs, Digest *out, size_t room,
                          int32_t *which) {
  int32_t *heap = malloc(((size_t)runs + 1) * sizeof *heap), used = 0;
  size_t written = 0;
  *which = -1;
  if (!heap) {
    *which = -2;
    return 0;
  }
  for (int32_t i = 0; i < runs; i++) {
    if (!left[i]) {
      if (!more[i]) continue;
      *which = i;
      free(heap);
      return 0;
    }
    int32_t k = used++;
    for (; k > 0 && order(at[i], at[heap[(k - 1) / 2]]) < 0; k = (k - 1) / 2) heap[k] = heap[(k - 1) / 2];
    heap[k] = i;
  }
  while (used > 0 && written < room) {
    int32_t run = heap[0];
    out[written++] = *at[run]++;
    if (--left[run] == 0) {
      if (more[run]) {
        *which = run;
        break;
      }
      run = heap[--used];
      if (used == 0) break;
    }
    int32_t k = 0;
    for (int32_t child; (child = 2 * k + 1) < used; k = child) {
      if (child + 1 < used && order(at[heap[child + 1]], at[heap[child]]) < 0) child++;
      if (order(at[run], at[heap[child]]) <= 0) break;
      heap[k] = heap[child];
    }
    heap[k] = run;
  }
  free(heap);
  return written;
}

/* Find the first of sorted keys from `at` on that is not less than `key`, stepping ever farther. */
static size_t gallop(const uint64_t *keys, size_t at, size_t count, uint64_t key) {
  size_t step = 1, low = at;
  if (at >= count || keys[at] >= key) return at;
  while (low + step < count && keys[low + step] < key) low += step, step *= 2;
  size_t high = low + step < count ? low + step : count; /* keys[low] < key, and keys[high] is not */
  for (low++; low < high;) {
    size_t middle = low + (high - low) / 2;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Find the keys that two sorted lists share, and how often each has them; the lists given out have room for the shorter. */
LT_EXPORT size_t lt_shared(const uint64_t *left, size_t left_count, const uint64_t *right, size_t right_count, uint64_t *keys,
                           uint64_t *left_times, uint64_t *right_times) {
  size_t a = 0, b = 0, found = 0;
  while (a < left_count && b < right_count) {
    if (left[a] < right[b]) {
      a = gallop(left, a, left_count, right[b]);
    } else if (right[b] < left[a]) {
      b = gallop(right, b, right_count, left[a]);
    } else {
      uint64_t key = left[a];
      size_t after_a = key == UINT64_MAX ? left_count : gallop(left, a, left_count, key + 1);
      size_t after_b = key == UINT64_MAX ? right_count : gallop(right, b, right_count, key + 1);
      keys[found] = key;
      left_times[found] = after_a - a;
      right_times[found++] = after_b - b;
      a = after_a;
      b = after_b;
    }
  }
  return found;
}
