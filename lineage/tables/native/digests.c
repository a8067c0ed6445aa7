/* Digest many rows with BLAKE3 (derive_key, context "lin-fp/1 row"), several side by side in a vector.
 *
 * A row of up to 1,024 bytes is one chunk and one root; a longer one is a tree of chunks. Chunks of whatever rows are
 * digested together when they have equally many blocks. Source: the BLAKE3 paper, sections 2.1 to 2.6. */
#include "lt.h"

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8, CONTEXT = 32, MATERIAL = 64 };
#define IV0 0x6A09E667u
#define IV1 0xBB67AE85u
#define IV2 0x3C6EF372u
#define IV3 0xA54FF53Au

typedef struct {
  const uint8_t *at;
  uint32_t *out; /* 8 words */
  uint64_t counter;
  uint32_t last; /* bytes in the last block */
} Chunk;

static const uint32_t initial[8] = {IV0, IV1, IV2, IV3, 0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u};
static uint32_t row_key[8];

#define ROTATE1(x, n) ((x) >> (n) | (x) << (32 - (n)))

static inline void mix(uint32_t s[16], int a, int b, int c, int d, uint32_t x, uint32_t y) {
  s[a] += s[b] + x; s[d] = ROTATE1(s[d] ^ s[a], 16); s[c] += s[d]; s[b] = ROTATE1(s[b] ^ s[c], 12);
  s[a] += s[b] + y; s[d] = ROTATE1(s[d] ^ s[a], 8); s[c] += s[d]; s[b] = ROTATE1(s[b] ^ s[c], 7);
}

/* One block by itself: parents, keys, and whatever does not fill a vector. */
static void compress(uint32_t h[8], const uint8_t *block, uint32_t length, uint64_t counter, uint32_t flags) {
  static const uint8_t order[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
  uint32_t m[16], next[16], s[16];
  memcpy(m, block, 64);
  for (int i = 0; i < 16; i++) m[i] = lt_little32(m[i]);
  memcpy(s, h, 32);
  memcpy(s + 8, initial, 16);
  s[12] = (uint32_t)counter; s[13] = (uint32_t)(counter >> 32); s[14] = length; s[15] = flags;
  for (int round = 0; round < 7; round++) {
    mix(s, 0, 4, 8, 12, m[0], m[1]); mix(s, 1, 5, 9, 13, m[2], m[3]);
    mix(s, 2, 6, 10, 14, m[4], m[5]); mix(s, 3, 7, 11, 15, m[6], m[7]);
    mix(s, 0, 5, 10, 15, m[8], m[9]); mix(s, 1, 6, 11, 12, m[10], m[11]);
    mix(s, 2, 7, 8, 13, m[12], m[13]); mix(s, 3, 4, 9, 14, m[14], m[15]);
    for (int i = 0; i < 16; i++) next[i] = m[order[i]];
    memcpy(m, next, sizeof m);
  }
  for (int i = 0; i < 8; i++) h[i] = s[i] ^ s[i + 8];
}

static void one_chunk(const Chunk *const *work, int blocks, int root) {
  uint32_t h[8];
  memcpy(h, row_key, sizeof h);
  for (int block = 0; block < blocks; block++) {
    int final = block == blocks - 1;
    uint32_t flags = MATERIAL | (block == 0 ? CHUNK_START : 0) | (final ? CHUNK_END | (root ? ROOT : 0) : 0);
    compress(h, work[0]->at + 64 * block, final ? work[0]->last : 64, work[0]->counter, flags);
  }
  memcpy(work[0]->out, h, sizeof h);
}

#if !defined(LT_PORTABLE) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define LT_VECTORS 1
#define SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif
#endif
#if !defined(LT_PORTABLE) && !defined(LT_VECTORS) && defined(__GNUC__) && !defined(__clang__)
#define LT_VECTORS 1
#define SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, (type){__VA_ARGS__})
#endif

#ifdef LT_VECTORS
#pragma GCC diagnostic ignored "-Wpsabi"
#define LANES 4
#define NAME(x) x##4
#define TARGET
#include "lanes.h"
#undef LANES
#undef NAME
#undef TARGET
#if defined(__x86_64__)
#define LANES 8
#define NAME(x) x##8
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"
#undef LANES
#undef NAME
#undef TARGET
#define LANES 16
#define NAME(x) x##16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw")))
#include "lanes.h"
#undef LANES
#undef NAME
#undef TARGET
#endif
#endif

static void (*hash_chunks)(const Chunk *const *, int, int) = one_chunk;
static int lanes = 1;

/* Choose the widest vectors of this machine; `LIN_KERNEL_LANES` (1, 4, 8) narrows them, for tests. */
void lt_digests_begin(void) {
  static const char context[] = "lin-fp/1 row";
  uint8_t block[64] = {0};
  memcpy(block, context, sizeof context - 1);
  memcpy(row_key, initial, sizeof row_key);
  compress(row_key, block, sizeof context - 1, 0, CHUNK_START | CHUNK_END | ROOT | CONTEXT);
  const char *wish = getenv("LIN_KERNEL_LANES");
  int most = wish && *wish ? atoi(wish) : 16;
  hash_chunks = one_chunk;
  lanes = 1;
#ifdef LT_VECTORS
  if (most >= 4) hash_chunks = chunks4, lanes = 4;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (most >= 8 && __builtin_cpu_supports("avx2")) hash_chunks = chunks8, lanes = 8;
  if (most >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    hash_chunks = chunks16, lanes = 16;
#endif
#endif
  (void)most;
}

LT_EXPORT int lt_lanes(void) { return lanes; }

/* Digest chunks that all have as many blocks. */
static void hash_group(const Chunk **work, int count, int blocks, int root) {
  for (int from = 0; from < count; from += lanes) {
    const Chunk *some[16];
    uint32_t nowhere[8];
    Chunk spare = *work[from];
    spare.out = nowhere;
    for (int lane = 0; lane < lanes; lane++) some[lane] = from + lane < count ? work[from + lane] : &spare;
    hash_chunks(some, blocks, root);
  }
}

static inline int blocks_of(uint64_t length) { return length == 0 ? 1 : (int)((length + 63) / 64); }

/* Digest what is longer than a chunk: all of its chunks side by side, then the tree above them. */
static int long_row(const uint8_t *at, uint64_t length, uint32_t out[8], Buffer *scratch) {
  uint64_t count = (length + 1023) / 1024, stack_size = 0;
  uint32_t stack[64][8];
  enum { AT_ONCE = 64 };
  (void)scratch;
  for (uint64_t from = 0; from < count; from += AT_ONCE) {
    Chunk chunks[AT_ONCE];
    const Chunk *work[AT_ONCE];
    uint32_t values[AT_ONCE][8];
    int some = (int)(count - from < AT_ONCE ? count - from : AT_ONCE), whole = 0;
    for (int i = 0; i < some; i++) {
      uint64_t rest = length - (from + (uint64_t)i) * 1024;
      int blocks = rest >= 1024 ? 16 : blocks_of(rest);
      chunks[i] = (Chunk){at + (from + (uint64_t)i) * 1024, values[i], from + (uint64_t)i,
                          (uint32_t)((rest >= 1024 ? 1024 : rest) - 64 * (uint64_t)(blocks - 1))};
      work[i] = &chunks[i];
      whole += blocks == 16;
      if (blocks != 16) hash_group(&work[i], 1, blocks, 0);
    }
    hash_group(work, whole, 16, 0);
    for (int i = 0; i < some; i++) {
      uint64_t done = from + (uint64_t)i + 1;
      int last = done == count;
      uint32_t value[8];
      memcpy(value, values[i], 32);
      /* A subtree is closed when its chunks are a power of two, but the root only when all is there. */
      for (uint64_t left = done; last ? stack_size > 0 : (left & 1) == 0; left >>= 1) {
        uint8_t block[64];
        for (int w = 0; w < 8; w++) put32(block + 4 * w, stack[stack_size - 1][w]), put32(block + 32 + 4 * w, value[w]);
        stack_size--;
        memcpy(value, row_key, 32);
        compress(value, block, 64, 0, MATERIAL | PARENT | (last && stack_size == 0 ? ROOT : 0));
      }
      memcpy(stack[stack_size++], value, 32);
    }
  }
  memcpy(out, stack[0], 32);
  return 1;
}

int lt_digest_rows(const uint8_t *const *at, const uint64_t *lengths, int rows, uint8_t (*out)[32], Buffer *scratch) {
  enum { MOST = 256 }; /* what is noted of them fits into the first cache */
  static const int short_row = 1024;
  for (int from = 0; from < rows; from += MOST) {
    int some = rows - from < MOST ? rows - from : MOST, starts[18] = {0};
    Chunk chunks[MOST];
    const Chunk *work[MOST];
    uint32_t values[MOST][8];
    for (int i = 0; i < some; i++) {
      uint64_t length = lengths[from + i];
      if (length > (uint64_t)short_row) {
        if (!long_row(at[from + i], length, values[i], scratch)) return 0;
        continue;
      }
      int blocks = blocks_of(length);
      chunks[i] = (Chunk){at[from + i], values[i], 0, (uint32_t)(length - 64 * (uint64_t)(blocks - 1))};
      starts[blocks + 1]++;
    }
    for (int i = 1; i < 18; i++) starts[i] += starts[i - 1];
    int next[18];
    memcpy(next, starts, sizeof next);
    for (int i = 0; i < some; i++)
      if (lengths[from + i] <= (uint64_t)short_row) work[next[blocks_of(lengths[from + i])]++] = &chunks[i];
    for (int blocks = 1; blocks <= 16; blocks++)
      if (next[blocks] > starts[blocks]) hash_group(work + starts[blocks], next[blocks] - starts[blocks], blocks, 1);
    for (int i = 0; i < some; i++)
      for (int w = 0; w < 8; w++) put32(out[from + i] + 4 * w, values[i][w]);
  }
  return 1;
}
