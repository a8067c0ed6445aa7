/* BLAKE3 over LANES inputs of as many blocks side by side; included once for each width of vector.
 * LANES, NAME(x) and TARGET are set by digests.c. */

typedef uint32_t NAME(v) __attribute__((vector_size(LANES * 4)));
typedef uint32_t NAME(vu) __attribute__((vector_size(LANES * 4), aligned(4)));

#define V NAME(v)

#if LANES == 16
#define ZIP_LOW(a, b) SHUFFLE(V, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) SHUFFLE(V, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif LANES == 8
#define ZIP_LOW(a, b) SHUFFLE(V, a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) SHUFFLE(V, a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_LOW(a, b) SHUFFLE(V, a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) SHUFFLE(V, a, b, 2, 6, 3, 7)
#endif

/* Turn LANES rows of LANES words into LANES columns: each step zips the first half with the second. */
TARGET static inline void NAME(transpose)(V rows[LANES]) {
  V next[LANES];
  for (int step = LANES; step > 1; step >>= 1) {
    for (int i = 0; i < LANES / 2; i++) {
      next[2 * i] = ZIP_LOW(rows[i], rows[i + LANES / 2]);
      next[2 * i + 1] = ZIP_HIGH(rows[i], rows[i + LANES / 2]);
    }
    for (int i = 0; i < LANES; i++) rows[i] = next[i];
  }
}

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define MIX(a, b, c, d, x, y) \
  a += b + x; d ^= a; d = ROTATE(d, 16); c += d; b ^= c; b = ROTATE(b, 12); \
  a += b + y; d ^= a; d = ROTATE(d, 8); c += d; b ^= c; b = ROTATE(b, 7);
#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
  MIX(s0, s4, s8, s12, m[m0], m[m1]) MIX(s1, s5, s9, s13, m[m2], m[m3]) \
  MIX(s2, s6, s10, s14, m[m4], m[m5]) MIX(s3, s7, s11, s15, m[m6], m[m7]) \
  MIX(s0, s5, s10, s15, m[m8], m[m9]) MIX(s1, s6, s11, s12, m[m10], m[m11]) \
  MIX(s2, s7, s8, s13, m[m12], m[m13]) MIX(s3, s4, s9, s14, m[m14], m[m15])

TARGET static void NAME(chunks)(const Chunk *const *work, int blocks, int root) {
  V h[8], m[16], lengths, low, high;
  uint32_t a[LANES], b[LANES], c[LANES];
  for (int i = 0; i < 8; i++) h[i] = (V){0} + row_key[i];
  for (int lane = 0; lane < LANES; lane++) {
    a[lane] = work[lane]->last;
    b[lane] = (uint32_t)work[lane]->counter;
    c[lane] = (uint32_t)(work[lane]->counter >> 32);
  }
  memcpy(&lengths, a, sizeof a);
  memcpy(&low, b, sizeof b);
  memcpy(&high, c, sizeof c);
  for (int block = 0; block < blocks; block++) {
    int final = block == blocks - 1;
    uint32_t flags = MATERIAL | (block == 0 ? CHUNK_START : 0) | (final ? CHUNK_END | (root ? ROOT : 0) : 0);
    for (int part = 0; part < 16 / LANES; part++) {
      for (int lane = 0; lane < LANES; lane++)
        m[part * LANES + lane] = *(const NAME(vu) *)(work[lane]->at + 64 * block + 4 * LANES * part);
      NAME(transpose)(m + part * LANES);
    }
#if LT_BIG_ENDIAN
    for (int i = 0; i < 16; i++)
      m[i] = m[i] >> 24 | (m[i] >> 8 & 0xff00) | (m[i] << 8 & 0xff0000) | m[i] << 24;
#endif
    V s0 = h[0], s1 = h[1], s2 = h[2], s3 = h[3], s4 = h[4], s5 = h[5], s6 = h[6], s7 = h[7];
    V s8 = (V){0} + IV0, s9 = (V){0} + IV1, s10 = (V){0} + IV2, s11 = (V){0} + IV3;
    V s12 = low, s13 = high, s14 = final ? lengths : (V){0} + 64u, s15 = (V){0} + flags;
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1)
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6)
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4)
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7)
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)
    h[0] = s0 ^ s8, h[1] = s1 ^ s9, h[2] = s2 ^ s10, h[3] = s3 ^ s11;
    h[4] = s4 ^ s12, h[5] = s5 ^ s13, h[6] = s6 ^ s14, h[7] = s7 ^ s15;
  }
#if LANES >= 8
  /* Back to rows: 8 words each, of which LANES fit into a vector. */
  for (int i = 0; i < LANES; i++) m[i] = h[i & 7];
  NAME(transpose)(m);
  for (int lane = 0; lane < LANES; lane++) memcpy(work[lane]->out, &m[lane], 32);
#else
  for (int i = 0; i < 8; i++) {
    uint32_t words[LANES];
    memcpy(words, &h[i], sizeof words);
    for (int lane = 0; lane < LANES; lane++) work[lane]->out[i] = words[lane];
  }
#endif
}

#undef V
#undef ZIP_LOW
#undef ZIP_HIGH
#undef ROTATE
#undef MIX
#undef ROUND
