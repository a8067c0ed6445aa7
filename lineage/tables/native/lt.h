/* What the parts of the kernel share: Arrow's C data interface, cells, buffers, and the functions between the files.
 *
 * The kernel works out what docs/formats/table-identity.md says, and nothing else decides what is right: reference.py
 * is written from the same text, and the tests hold both against each other. */
#ifndef LT_H
#define LT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LT_BIG_ENDIAN 1
#else
#define LT_BIG_ENDIAN 0
#endif

#define LT_EXPORT __attribute__((visibility("default")))

/* Loops over cells, compiled for several generations of processors where the loader can choose. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    !defined(LT_PORTABLE)
#define LT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LT_CLONES
#endif

#define LT_ABI 1 /* kernel.py asks for it: an older library is not used */

typedef unsigned __int128 u128;
typedef __int128 i128;

/* Arrow's C data interface, as its specification lays it out. */
struct ArrowSchema {
  const char *format, *name, *metadata;
  int64_t flags, n_children;
  struct ArrowSchema **children, *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};
struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void **buffers;
  struct ArrowArray **children, *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

/* Tags of cells (rule 3). */
enum {
  T_NULL = 0x00, T_INT = 0x01, T_FLT = 0x02, T_DEC = 0x03, T_TEXT = 0x04, T_BYTES = 0x05,
  T_TS_NS = 0x06, T_TS_US = 0x07, T_TZ_NS = 0x08, T_TZ_US = 0x09, T_TIME_NS = 0x0a, T_DUR_NS = 0x0b,
  T_LIST = 0x0c, T_STRUCT = 0x0d, T_MAP = 0x0e,
  T_TS_MS = 0x10, T_TS_S = 0x11, T_TZ_MS = 0x12, T_TZ_S = 0x13, T_TIME_US = 0x14,
  T_DUR_US = 0x15, T_DUR_MS = 0x16, T_DUR_S = 0x17,
  T_COUNT = 0x18
};

/* How a column of text is read (TextMode). */
enum { M_PLAIN = 0, M_CELLS = 1, M_FLOAT = 2, M_BOOL = 3, M_GUESS = 4 };

/* What the cells of a column of a text file were seen to be (rule 6). */
enum {
  S_INT = 1,    /* a canonical integer that reads the same as a cell and as a float64 */
  S_BIG = 2,    /* a numeral in digits only that reads differently */
  S_FRACTION = 4, /* a numeral with a point or an exponent, or an infinity */
  S_LOWER = 8, S_TITLE = 16, S_UPPER = 32, /* true or false, in three spellings */
  S_OTHER = 64
};

/* A cell: its tag, and 8 bytes of payload or the bytes that follow its tag (for text, decimals and bytes: its length). */
typedef struct {
  uint8_t *tags;
  uint64_t *values; /* payload, or the address of the bytes */
  uint32_t *lengths; /* of those bytes; undefined for cells with a payload */
} Cells;

typedef struct {
  uint8_t *at;
  size_t used, room;
} Buffer;

static inline int is_fixed(unsigned tag) { return (0xff0fc6u | 0u) >> tag & 1u; }

/* Grow a buffer so that `more` bytes fit; 0 when memory is out. */
int lt_reserve(Buffer *buffer, size_t more);

/* Copy few bytes without a call. */
static inline void lt_copy(uint8_t *to, const uint8_t *from, size_t length) {
  if (length > 32) {
    memcpy(to, from, length);
  } else if (length >= 16) {
    uint64_t a[2], b[2];
    memcpy(a, from, 16), memcpy(b, from + length - 16, 16);
    memcpy(to, a, 16), memcpy(to + length - 16, b, 16);
  } else if (length >= 8) {
    uint64_t a, b;
    memcpy(&a, from, 8), memcpy(&b, from + length - 8, 8);
    memcpy(to, &a, 8), memcpy(to + length - 8, &b, 8);
  } else if (length >= 4) {
    uint32_t a, b;
    memcpy(&a, from, 4), memcpy(&b, from + length - 4, 4);
    memcpy(to, &a, 4), memcpy(to + length - 4, &b, 4);
  } else if (length) {
    to[0] = from[0];
    to[length / 2] = from[length / 2];
    to[length - 1] = from[length - 1];
  }
}

static inline uint64_t lt_little64(uint64_t value) { return LT_BIG_ENDIAN ? __builtin_bswap64(value) : value; }
static inline uint32_t lt_little32(uint32_t value) { return LT_BIG_ENDIAN ? __builtin_bswap32(value) : value; }
static inline void put64(uint8_t *to, uint64_t value) { value = lt_little64(value); memcpy(to, &value, 8); }
static inline void put32(uint8_t *to, uint32_t value) { value = lt_little32(value); memcpy(to, &value, 4); }

/* numbers.c */
void lt_numbers_begin(void);
double lt_nearest(uint64_t digits, int exponent);
double lt_shortest32(float value);
double lt_shortest16(uint16_t bits);
/* Encode digits * 10**exponent, not integral in int64: to FLT or DEC. `text` has room for 100 bytes. */
int lt_decimal(const uint64_t *limbs, int count, int negative, int scale, uint64_t *value, uint8_t *text, uint32_t *length);

/* text.c: one cell. Returns the tag; TEXT and NULL leave `value` alone. */
int lt_text_cell(const uint8_t *at, size_t length, const uint8_t *end, uint64_t *value);
int lt_null_spelling(const uint8_t *at, size_t length);
int lt_numeral(const uint8_t *at, size_t length, double *value); /* 0 none, 1 digits only, 2 with a fraction */
unsigned lt_kind(const uint8_t *at, size_t length, const uint8_t *end);
int lt_moment(i128 ns_value, int64_t base, int ns_tag, uint64_t *value);

static inline int float_cell(double x, uint64_t *value) {
  if (x != x) return T_NULL;
  if (x >= -9007199254740992.0 && x <= 9007199254740992.0) {
    int64_t whole = (int64_t)x;
    if ((double)whole == x) {
      *value = (uint64_t)whole;
      return T_INT;
    }
  }
  memcpy(value, &x, 8);
  return T_FLT;
}

/* 8 digits at once: every byte between '0' and '9', or not. */
static inline int lt_eight_digits(uint64_t w) {
  return ((w & 0xf0f0f0f0f0f0f0f0u) | ((w + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4) == 0x3333333333333333u;
}

static inline uint32_t lt_value_of_eight(uint64_t w) {
  w -= 0x3030303030303030u;
  w = w * 10 + (w >> 8);
  return (uint32_t)((((w & 0x000000ff000000ffu) * 0x000f424000000064u) +
                     ((w >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u)) >> 32);
}

/* An integer of up to 8 bytes in canonical spelling, where 8 bytes can be read from `at`; 0 where it is none. */
static inline int lt_small_integer(const uint8_t *at, size_t length, uint64_t *value) {
  uint64_t w;
  int negative = at[0] == '-', empty = 8 * (8 - (int)length);
  memcpy(&w, at, 8);
  w ^= (uint64_t)negative * ('-' ^ '0'); /* the sign counts as a zero */
  if (empty) w = w << empty | 0x3030303030303030u >> (64 - empty); /* to the end of the word, zeros before it */
  int canonical = at[negative] != '0' || (length == 1 && !negative);
  if (!lt_eight_digits(w) || !canonical || (negative && length == 1)) return 0;
  uint64_t size = lt_value_of_eight(w);
  *value = negative ? 0 - size : size;
  return 1;
}

/* digests.c */
void lt_digests_begin(void);
/* Digest rows: `rows` of them, each `at[i]` with `lengths[i]` bytes, zeros after them up to a multiple of 64. */
int lt_digest_rows(const uint8_t *const *at, const uint64_t *lengths, int rows, uint8_t (*out)[32], Buffer *scratch);
const char *lt_lanes_name(void);

#endif
