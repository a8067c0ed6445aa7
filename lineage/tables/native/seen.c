/* What a column's cells are, for people to read: how many of each kind, the least and the greatest, how many different
 * ones, and a sample for quantiles. In one pass over cells that the digests need anyway, at one or two nanoseconds a cell.
 *
 * Different cells are counted by keeping the k least different hashes (a theta sketch: Dasgupta, Lang, Rhodes, Thaler,
 * "A framework for estimating stream expression cardinalities", 2016): exact up to k, then within 1/sqrt(k). The sample takes the
 * rows whose number, times the golden ratio, has the least fractional part: spread evenly, and in step with no period. */
#include "lt.h"

#define GOLDEN 0x9e3779b97f4a7c15u
enum { PREFIX = 100 }; /* bytes of text that are kept of the least and the greatest */
#define MANY (UINT64_MAX >> 3) /* as a limit: eight times as many different cells as are kept */
enum { RECENT_BITS = 7, RECENT = 1 << RECENT_BITS }; /* cells that need not be looked up again */

typedef struct {
  uint32_t length; /* of the whole cell */
  uint8_t at[PREFIX];
} Text;

typedef struct {
  uint64_t rows, counts[T_COUNT];
  uint32_t k;
  /* the least different hashes, in a table with empty places of 0 */
  uint64_t limit, *places;
  uint32_t used, room;
  /* the sample */
  uint64_t below;
  uint32_t sampled, sample_room;
  uint8_t *tags;
  uint64_t *values, *orders;
  int64_t least_at[T_COUNT], most_at[T_COUNT];
  uint8_t some[T_COUNT]; /* whether there are bounds of this kind */
  double least_float, most_float;
  Text least[2], most[2]; /* of text and of bytes */
} Seen;

static inline uint64_t stirred(uint64_t x) {
  u128 product = (u128)(x ^ 0xa0761d6478bd642fu) * 0xe7037ed1a0b428dbu;
  x = (uint64_t)product ^ (uint64_t)(product >> 64);
  return (x ^ x >> 29) * GOLDEN;
}

static inline uint64_t load(const uint8_t *at, uint32_t bytes) {
  uint64_t word = 0;
  memcpy(&word, at, bytes);
  return word;
}

static inline uint64_t lowest(uint32_t bytes) { return bytes >= 8 ? UINT64_MAX : ~(UINT64_MAX << 8 * bytes); }

static inline uint64_t folded(uint64_t a, uint64_t b) {
  u128 product = (u128)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Cells of up to 16 bytes, which most are, are read without a branch; `end` is where reading has to stop. */
static inline uint64_t hash_bytes(const uint8_t *at, uint32_t length, const uint8_t *end) {
  uint64_t sum = length * GOLDEN, first = 0, last = 0;
  for (; length > 16; at += 16, length -= 16) sum = folded(load(at, 8) ^ sum, load(at + 8, 8));
  if (end - at >= 16) {
    first = lt_little64(load(at, 8)) & lowest(length);
    last = lt_little64(load(at + 8, 8)) & (length > 8 ? lowest(length - 8) : 0);
  } else {
    uint8_t rest[16] = {0};
    if (length) memcpy(rest, at, length);
    first = lt_little64(load(rest, 8));
    last = lt_little64(load(rest + 8, 8));
  }
  return stirred(folded(first ^ sum, last));
}

LT_EXPORT void lt_seen_free(Seen *seen) {
  if (!seen) return;
  free(seen->places);
  free(seen->tags);
  free(seen->values);
  free(seen->orders);
  free(seen);
}

LT_EXPORT Seen *lt_seen_new(uint32_t k) {
  Seen *seen = calloc(1, sizeof *seen);
  if (!seen) return NULL;
  seen->k = k;
  seen->limit = seen->below = UINT64_MAX;
  seen->room = 64;
  seen->sample_room = 64;
  seen->places = calloc(seen->room, sizeof *seen->places);
  seen->tags = malloc(seen->sample_room);
  seen->values = malloc(seen->sample_room * sizeof *seen->values);
  seen->orders = malloc(seen->sample_room * sizeof *seen->orders);
  if (seen->places && seen->tags && seen->values && seen->orders) return seen;
  lt_seen_free(seen);
  return NULL;
}

/* Bring the `k` least of some different numbers to the front, the greatest of them last (Hoare's quickselect). */
static void select_least(uint64_t *at, uint32_t count, uint32_t k) {
  uint32_t low = 0, high = count - 1;
  while (low < high) {
    uint64_t pivot = at[low + (high - low) / 2];
    uint32_t i = low, j = high;
    while (i <= j) {
      while (at[i] < pivot) i++;
      while (at[j] > pivot) j--;
      if (i <= j) {
        uint64_t other = at[i];
        at[i++] = at[j];
        at[j] = other;
        if (j == 0) break;
        j--;
      }
    }
    if (k - 1 <= j) high = j;
    else if (k - 1 >= i) low = i;
    else return;
  }
}

/* Make room: a larger table while it may grow, else only the k least stay. */
static int rebuild(Seen *seen) {
  uint64_t *kept = malloc((seen->used + 1) * sizeof *kept);
  if (!kept) return 0;
  uint32_t count = 0;
  for (uint32_t i = 0; i < seen->room; i++)
    if (seen->places[i]) kept[count++] = seen->places[i];
  if (count > seen->k) {
    select_least(kept, count, seen->k);
    count = seen->k;
    seen->limit = kept[count - 1];
  } else {
    uint64_t *larger = calloc((size_t)seen->room * 4, sizeof *larger);
    if (!larger) {
      free(kept);
      return 0;
    }
    free(seen->places);
    seen->places = larger;
    seen->room *= 4;
  }
  memset(seen->places, 0, seen->room * sizeof *seen->places);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t place = (uint32_t)kept[i] & (seen->room - 1);
    while (seen->places[place]) place = (place + 1) & (seen->room - 1);
    seen->places[place] = kept[i];
  }
  seen->used = count;
  free(kept);
  return 1;
}

/* 0 when memory is out, 1 for a cell that was seen before, 2 for one that may be new. */
static inline int note(Seen *seen, uint64_t hash) {
  if (hash > seen->limit) return 2;
  hash += hash == 0;
  uint32_t mask = seen->room - 1, place = (uint32_t)hash & mask;
  while (seen->places[place]) {
    if (seen->places[place] == hash) return 1;
    place = (place + 1) & mask;
  }
  seen->places[place] = hash;
  return ++seen->used * 2 < seen->room || rebuild(seen) ? 2 : 0;
}

static int thin(Seen *seen) {
  uint64_t half = seen->below >> 1;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < seen->sampled; i++)
    if (seen->orders[i] <= half) {
      seen->orders[kept] = seen->orders[i];
      seen->tags[kept] = seen->tags[i];
      seen->values[kept++] = seen->values[i];
    }
  seen->below = half;
  seen->sampled = kept;
  return 1;
}

static int sample(Seen *seen, uint64_t order, uint8_t tag, uint64_t value) {
  while (seen->sampled == 2 * seen->k && thin(seen)) {
    if (order > seen->below) return 1;
  }
  if (seen->sampled == seen->sample_room) {
    uint32_t room = seen->sample_room * 2 > 2 * seen->k ? 2 * seen->k : seen->sample_room * 2;
    uint8_t *tags = realloc(seen->tags, room);
    if (tags) seen->tags = tags;
    uint64_t *values = realloc(seen->values, room * sizeof *values);
    if (values) seen->values = values;
    uint64_t *orders = realloc(seen->orders, room * sizeof *orders);
    if (orders) seen->orders = orders;
    if (!tags || !values || !orders) return 0;
    seen->sample_room = room;
  }
  seen->orders[seen->sampled] = order;
  seen->tags[seen->sampled] = tag;
  seen->values[seen->sampled++] = value;
  return 1;
}

static int compare(const uint8_t *a, uint32_t a_length, const Text *b) {
  uint32_t some = a_length < b->length ? a_length : b->length;
  int order = memcmp(a, b->at, some < PREFIX ? some : PREFIX);
  if (order || some >= PREFIX) return order; /* beyond what is kept, the first one seen stays */
  return (a_length > b->length) - (a_length < b->length);
}

static void keep(Text *text, const uint8_t *at, uint32_t length) {
  text->length = length;
  memcpy(text->at, at, length < PREFIX ? length : PREFIX);
}

static inline void bounds(Seen *seen, unsigned tag, uint64_t value, const uint8_t *at, uint32_t length) {
  int first = !seen->some[tag];
  seen->some[tag] = 1;
  if (tag == T_FLT) {
    double x;
    memcpy(&x, &value, 8);
    if (first || x < seen->least_float) seen->least_float = x;
    if (first || x > seen->most_float) seen->most_float = x;
  } else if (is_fixed(tag)) {
    if (first || (int64_t)value < seen->least_at[tag]) seen->least_at[tag] = (int64_t)value;
    if (first || (int64_t)value > seen->most_at[tag]) seen->most_at[tag] = (int64_t)value;
  } else if (tag == T_TEXT || tag == T_BYTES) {
    Text *least = &seen->least[tag == T_BYTES], *most = &seen->most[tag == T_BYTES];
    if (first || compare(at, length, least) < 0) keep(least, at, length);
    if (first || compare(at, length, most) > 0) keep(most, at, length);
  }
}

static inline uint32_t recent_place(uint64_t key) { return (uint32_t)(key * GOLDEN >> (64 - RECENT_BITS)); }

/* Cells with a payload, all of one kind. */
static int fixed_cells(Seen *seen, unsigned tag, const uint8_t *payloads, int64_t count, uint64_t order,
                       uint64_t *recent) {
  int64_t least = INT64_MAX, most = INT64_MIN;
  double least_float = 0, most_float = 0;
  uint64_t salt = tag * GOLDEN, value;
  if (tag == T_FLT) {
    memcpy(&least_float, payloads, 8);
    most_float = least_float;
  }
  for (int64_t i = 0; i < count; i++, order += GOLDEN) {
    memcpy(&value, payloads + 8 * i, 8);
    value = lt_little64(value);
    if (order <= seen->below && !sample(seen, order, (uint8_t)tag, value)) return 0;
    if (tag == T_FLT) {
      double x;
      memcpy(&x, &value, 8);
      least_float = x < least_float ? x : least_float;
      most_float = x > most_float ? x : most_float;
    } else {
      least = (int64_t)value < least ? (int64_t)value : least;
      most = (int64_t)value > most ? (int64_t)value : most;
    }
    uint64_t key = value + salt;
    if (seen->limit > MANY) { /* few different ones so far: most have just been seen */
      uint64_t *place = &recent[recent_place(key)];
      if (*place == key) continue;
      *place = key;
    }
    uint64_t hash = stirred(key);
    if (hash <= seen->limit && !note(seen, hash)) return 0;
  }
  if (tag == T_FLT) {
    memcpy(&value, &least_float, 8), bounds(seen, tag, value, NULL, 0);
    memcpy(&value, &most_float, 8), bounds(seen, tag, value, NULL, 0);
  } else {
    bounds(seen, tag, (uint64_t)least, NULL, 0);
    bounds(seen, tag, (uint64_t)most, NULL, 0);
  }
  return 1;
}

/* Note the next cells of a column, as its four streams hold them (rule 4): a tag each, the payloads of those that have
 * one, the lengths of the others, and their bytes, `size` of them. 0 when memory is out. */
LT_EXPORT int lt_seen(Seen *seen, const uint8_t *tags, int64_t rows, const uint8_t *payloads, const uint8_t *lengths,
                      const uint8_t *bytes, int64_t size) {
  const uint8_t *bytes_end = size ? bytes + size : bytes;
  uint64_t last_hash = 0, order = seen->rows * GOLDEN, recent[RECENT] = {0};
  recent[recent_place(0)] = 1; /* 0 belongs there, and has not been seen */
  for (int64_t i = 0, end; i < rows; i = end) {
    unsigned tag = tags[i];
    uint64_t eight = tag * 0x0101010101010101u;
    if (tag >= T_COUNT) return 0;
    for (end = i + 1; end + 8 <= rows && load(tags + end, 8) == eight; end += 8) {
    }
    for (; end < rows && tags[end] == tag; end++) {
    }
    seen->counts[tag] += (uint64_t)(end - i);
    if (tag == T_NULL) {
      order += (uint64_t)(end - i) * GOLDEN;
      continue;
    }
    if (is_fixed(tag)) {
      if (!fixed_cells(seen, tag, payloads, end - i, order, recent)) return 0;
      payloads += 8 * (end - i);
      order += (uint64_t)(end - i) * GOLDEN;
      continue;
    }
    for (int64_t j = i; j < end; j++, order += GOLDEN) {
      uint32_t length;
      memcpy(&length, lengths, 4);
      length = lt_little32(length);
      if (order <= seen->below && !sample(seen, order, (uint8_t)tag, 0)) return 0;
      uint64_t hash = hash_bytes(bytes, length, bytes_end) + tag;
      if (hash != last_hash) { /* otherwise as in sorted columns */
        last_hash = hash;
        int state = note(seen, hash);
        if (state == 0) return 0;
        if (state == 2) bounds(seen, tag, 0, bytes, length);
      }
      lengths += 4;
      bytes += length;
    }
  }
  seen->rows += (uint64_t)rows;
  return 1;
}

/* The result, little endian: u64 rows, u64 counts of the 24 tags, f64 different (negative: an
 * estimate); for each tag: i64 least,
 * i64 most; f64 least, f64 most of floats; for text, then bytes: least and most, each u32 length and 100 bytes; u32 number
 * of sampled cells, then for each u8 tag and u64 value. */
LT_EXPORT int64_t lt_seen_result(Seen *seen, uint8_t *out, int64_t room) {
  int64_t size = 8 + 8 * T_COUNT + 8 + 16 * T_COUNT + 16 + 4 * (4 + PREFIX) + 4 + 9 * (int64_t)seen->sampled;
  if (room < size) return size;
  if (seen->used > seen->k && !rebuild(seen)) return -1;
  uint8_t *at = out;
  put64(at, seen->rows), at += 8;
  for (int i = 0; i < T_COUNT; i++) put64(at, seen->counts[i]), at += 8;
  double different = seen->used;
  if (seen->limit != UINT64_MAX) different = -((seen->used - 1) / (seen->limit / 18446744073709551616.0));
  uint64_t bits;
  memcpy(&bits, &different, 8), put64(at, bits), at += 8;
  for (int i = 0; i < T_COUNT; i++) {
    put64(at, (uint64_t)seen->least_at[i]), at += 8;
    put64(at, (uint64_t)seen->most_at[i]), at += 8;
  }
  memcpy(&bits, &seen->least_float, 8), put64(at, bits), at += 8;
  memcpy(&bits, &seen->most_float, 8), put64(at, bits), at += 8;
  for (int i = 0; i < 2; i++) {
    const Text *ends[2] = {&seen->least[i], &seen->most[i]};
    for (int j = 0; j < 2; j++) {
      put32(at, ends[j]->length), at += 4;
      memcpy(at, ends[j]->at, PREFIX), at += PREFIX;
    }
  }
  put32(at, seen->sampled), at += 4;
  for (uint32_t i = 0; i < seen->sampled; i++) *at++ = seen->tags[i], put64(at, seen->values[i]), at += 8;
  return at - out;
}
