/* Encode cells of Arrow arrays, a block of a column at a time. */
#include "nodes.h"

#include <math.h>

enum { OUT_OF_MEMORY = -1, TOO_LONG = -2 };

int lt_reserve(Buffer *buffer, size_t more) {
  if (buffer->room - buffer->used >= more) return 1;
  size_t room = buffer->room + buffer->room / 2 + more + 64;
  uint8_t *at = realloc(buffer->at, room);
  if (!at) return 0;
  buffer->at = at;
  buffer->room = room;
  return 1;
}

static inline int bit(const uint8_t *bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

/* Where nulls may be, or NULL: unions aside, the first buffer of everything but nulls and runs. */
static inline const uint8_t *validity(const Node *node, const struct ArrowArray *array) {
  if (node->kind == K_NULL || node->kind == K_RUNS || array->null_count == 0 || array->n_buffers == 0) return NULL;
  return array->buffers[0];
}

static inline const void *buffer_of(const struct ArrowArray *array, int i) {
  static const uint64_t nothing[2] = {0};
  return i < array->n_buffers && array->buffers[i] ? array->buffers[i] : nothing;
}

static inline int64_t offset_at(const void *offsets, int width, int64_t i) {
  if (width == 4) {
    int32_t value;
    memcpy(&value, (const uint8_t *)offsets + 4 * i, 4);
    return value;
  }
  int64_t value;
  memcpy(&value, (const uint8_t *)offsets + 8 * i, 8);
  return value;
}

/* Give a moment or a span the finest unit that holds it: ns, µs, ms or s. */
static int finest(int64_t value, int unit, const int tags[4], uint64_t *out) {
  static const int64_t factor[4] = {1, 1000, 1000000, 1000000000};
  for (int to = 3; to > unit; to--) {
    i128 product = (i128)value * factor[to - unit];
    if (product >= INT64_MIN && product <= INT64_MAX) {
      *out = (uint64_t)(int64_t)product;
      return tags[to];
    }
  }
  *out = (uint64_t)value;
  return tags[unit];
}

static const int naive_tags[4] = {T_TS_S, T_TS_MS, T_TS_US, T_TS_NS};
static const int zoned_tags[4] = {T_TZ_S, T_TZ_MS, T_TZ_US, T_TZ_NS};
static const int span_tags[4] = {T_DUR_S, T_DUR_MS, T_DUR_US, T_DUR_NS};
static const int time_tags[4] = {T_TIME_NS, T_TIME_NS, T_TIME_US, T_TIME_NS};

#define INTEGERS(type) \
  for (int r = 0; r < count; r++) { \
    type x; \
    memcpy(&x, (const type *)data + start + r, sizeof x); \
    cells.tags[r] = T_INT; \
    cells.values[r] = (uint64_t)(int64_t)x; \
  } \
  break

static int decimal_at(const Node *node, const uint8_t *data, int64_t i, uint64_t *value, uint8_t *text, uint32_t *length) {
  uint64_t limbs[4] = {0};
  int many = node->width <= 8 ? 1 : node->width / 8, negative;
  data += node->width * i;
  if (node->width == 4) {
    int32_t x;
    memcpy(&x, data, 4);
    limbs[0] = (uint64_t)(int64_t)x;
  } else {
    memcpy(limbs, data, (size_t)node->width);
    if (LT_BIG_ENDIAN) /* the most significant limb comes first there */
      for (int a = 0, b = many - 1; a < b; a++, b--) {
        uint64_t swap = limbs[a];
        limbs[a] = limbs[b];
        limbs[b] = swap;
      }
  }
  negative = limbs[many - 1] >> 63;
  if (negative) {
    int carry = 1;
    for (int a = 0; a < many; a++) {
      limbs[a] = ~limbs[a] + (uint64_t)carry;
      carry = carry && limbs[a] == 0;
    }
  }
  return lt_decimal(limbs, many, negative, node->scale, value, text, length);
}

/* One cell of text, plain or of a text file: its tag. */
static inline int text_tag(Node *node, const uint8_t *at, size_t length, const uint8_t *end, uint64_t *value) {
  double x;
  if (length == 0) return T_NULL;
  if (!LT_BIG_ENDIAN && node->mode != M_FLOAT && node->mode != M_BOOL && length <= 8 && end - at >= 8 &&
      lt_small_integer(at, length, value))
    return T_INT;
  if (node->mode == M_PLAIN) return lt_text_cell(at, length, end, value);
  if (length <= 4 && (at[0] == 'N' || at[0] == 'n' || at[0] == '#') && lt_null_spelling(at, length)) return T_NULL;
  if (node->mode == M_CELLS) return lt_text_cell(at, length, end, value);
  if (node->mode == M_GUESS) { /* stays so while there are integers only that read the same as cells and as floats */
    int tag = lt_text_cell(at, length, end, value);
    int64_t whole = tag == T_INT ? (int64_t)*value : 0;
    if ((tag != T_INT && tag != T_NULL) || whole > 1ll << 53 || whole < -(1ll << 53)) node->seen |= S_OTHER;
    return tag;
  }
  if (node->mode == M_FLOAT && lt_numeral(at, length, &x)) return float_cell(x, value);
  if (node->mode == M_BOOL) {
    unsigned kind = lt_kind(at, length, end);
    node->seen |= kind;
    if (kind == S_LOWER || kind == S_TITLE || kind == S_UPPER) {
      *value = length == 4;
      return T_INT;
    }
  }
  node->seen |= S_OTHER;
  return T_TEXT;
}

LT_CLONES static int texts(Node *node, const struct ArrowArray *array, int64_t start, int count, Cells cells) {
  const void *offsets = buffer_of(array, 1);
  const uint8_t *data = buffer_of(array, 2), *bits = validity(node, array);
  const uint8_t *end = data + offset_at(offsets, node->width, array->offset + array->length);
  int64_t from = offset_at(offsets, node->width, start);
  int plain = node->kind == K_BYTES;
  for (int r = 0; r < count; r++) {
    int64_t to = offset_at(offsets, node->width, start + r + 1);
    const uint8_t *at = data + from;
    uint64_t length = (uint64_t)(to - from);
    from = to;
    if (bits && !bit(bits, start + r)) {
      cells.tags[r] = T_NULL;
      continue;
    }
    if (length > UINT32_MAX) return TOO_LONG;
    int tag = plain ? T_BYTES : text_tag(node, at, length, end, &cells.values[r]);
    cells.tags[r] = (uint8_t)tag;
    if (tag == T_TEXT || tag == T_BYTES) {
      cells.values[r] = (uint64_t)(uintptr_t)at;
      cells.lengths[r] = (uint32_t)length;
    }
  }
  return count;
}

static int views(Node *node, const struct ArrowArray *array, int64_t start, int count, Cells cells) {
  const uint8_t *records = buffer_of(array, 1), *bits = validity(node, array);
  for (int r = 0; r < count; r++) {
    if (bits && !bit(bits, start + r)) {
      cells.tags[r] = T_NULL;
      continue;
    }
    const uint8_t *record = records + 16 * (start + r), *at = record + 4;
    int32_t length, which, offset;
    memcpy(&length, record, 4);
    if (length > 12) {
      memcpy(&which, record + 8, 4);
      memcpy(&offset, record + 12, 4);
      at = (const uint8_t *)array->buffers[2 + which] + offset;
    }
    int tag = node->kind == K_BYTES_VIEW ? T_BYTES : text_tag(node, at, (size_t)length, at + length, &cells.values[r]);
    cells.tags[r] = (uint8_t)tag;
    if (tag == T_TEXT || tag == T_BYTES) {
      cells.values[r] = (uint64_t)(uintptr_t)at;
      cells.lengths[r] = (uint32_t)length;
    }
  }
  return count;
}

static int bodies(Node *node, const struct ArrowArray *array, int64_t start, int count, Cells cells, Buffer *arena,
                  size_t limit) {
  const uint8_t *bits = validity(node, array);
  for (int r = 0; r < count; r++) {
    if (bits && !bit(bits, start + r)) {
      cells.tags[r] = T_NULL;
      continue;
    }
    size_t from = arena->used;
    int status = lt_append_cell(node, array, start - array->offset + r, arena);
    if (status < 0) return status;
    unsigned tag = arena->at[from];
    size_t length = arena->used - from - 1;
    cells.tags[r] = (uint8_t)tag;
    if (is_fixed(tag)) {
      uint64_t payload;
      memcpy(&payload, arena->at + from + 1, 8);
      cells.values[r] = lt_little64(payload);
      arena->used = from;
    } else if (tag == T_NULL) {
      arena->used = from;
    } else {
      size_t skip = tag == T_TEXT || tag == T_BYTES || tag == T_DEC ? 5 : 1; /* these are written with their length */
      if (length > UINT32_MAX) return TOO_LONG;
      cells.values[r] = from + skip;
      cells.lengths[r] = (uint32_t)(length + 1 - skip);
      if (arena->used > limit) return r + 1;
    }
  }
  return count;
}

LT_CLONES int lt_cells(Node *node, const struct ArrowArray *array, int64_t start, int count, Cells cells, Buffer *arena,
                       size_t limit, int *owned) {
  const uint8_t *bits = validity(node, array), *data = array->n_buffers > 1 ? buffer_of(array, 1) : NULL;
  *owned = 0;
  start += array->offset;
  switch (node->kind) {
    case K_NULL: memset(cells.tags, T_NULL, (size_t)count); return count;
    case K_TEXT: case K_BYTES: return texts(node, array, start, count, cells);
    case K_TEXT_VIEW: case K_BYTES_VIEW: return views(node, array, start, count, cells);
    case K_BOOL:
      for (int r = 0; r < count; r++) cells.tags[r] = T_INT, cells.values[r] = (uint64_t)bit(data, start + r);
      break;
    case K_INT:
      if (node->width == 1 && node->is_signed) { INTEGERS(int8_t); }
      if (node->width == 1) { INTEGERS(uint8_t); }
      if (node->width == 2 && node->is_signed) { INTEGERS(int16_t); }
      if (node->width == 2) { INTEGERS(uint16_t); }
      if (node->width == 4 && node->is_signed) { INTEGERS(int32_t); }
      if (node->width == 4) { INTEGERS(uint32_t); }
      if (node->is_signed) {
        memset(cells.tags, T_INT, (size_t)count);
        memcpy(cells.values, data + 8 * start, 8 * (size_t)count);
        break;
      }
      *owned = 1;
      for (int r = 0; r < count; r++) {
        uint64_t x;
        memcpy(&x, data + 8 * (start + r), 8);
        cells.tags[r] = T_INT;
        cells.values[r] = x;
        if (x > INT64_MAX && !(bits && !bit(bits, start + r))) {
          if (!lt_reserve(arena, 128)) return OUT_OF_MEMORY;
          cells.tags[r] = (uint8_t)lt_decimal(&x, 1, 0, 0, &cells.values[r], arena->at + arena->used, &cells.lengths[r]);
          if (cells.tags[r] == T_DEC) {
            cells.values[r] = arena->used;
            arena->used += cells.lengths[r];
          }
        }
      }
      break;
    case K_FLOAT16:
      for (int r = 0; r < count; r++) {
        uint16_t x;
        memcpy(&x, data + 2 * (start + r), 2);
        cells.tags[r] = (uint8_t)float_cell(lt_shortest16(x), &cells.values[r]);
      }
      break;
    case K_FLOAT32:
      for (int r = 0; r < count; r++) {
        float x;
        memcpy(&x, data + 4 * (start + r), 4);
        cells.tags[r] = (uint8_t)float_cell(lt_shortest32(x), &cells.values[r]);
      }
      break;
    case K_FLOAT64:
      for (int r = 0; r < count; r++) {
        double x;
        memcpy(&x, data + 8 * (start + r), 8);
        cells.tags[r] = (uint8_t)float_cell(x, &cells.values[r]);
      }
      break;
    case K_DECIMAL:
      *owned = 1;
      for (int r = 0; r < count; r++) {
        if (bits && !bit(bits, start + r)) continue;
        if (!lt_reserve(arena, 128)) return OUT_OF_MEMORY;
        cells.tags[r] = (uint8_t)decimal_at(node, data, start + r, &cells.values[r], arena->at + arena->used,
                                            &cells.lengths[r]);
        if (cells.tags[r] == T_DEC) {
          cells.values[r] = arena->used;
          arena->used += cells.lengths[r];
        }
      }
      break;
    case K_TIMESTAMP: case K_DURATION: {
      const int *tags = node->kind == K_DURATION ? span_tags : node->zoned ? zoned_tags : naive_tags;
      for (int r = 0; r < count; r++) {
        int64_t x;
        memcpy(&x, data + 8 * (start + r), 8);
        cells.tags[r] = (uint8_t)finest(x, node->unit, tags, &cells.values[r]);
      }
      break;
    }
    case K_DATE32: case K_DATE64:
      for (int r = 0; r < count; r++) {
        int64_t days;
        if (node->kind == K_DATE32) {
          int32_t x;
          memcpy(&x, data + 4 * (start + r), 4);
          days = x;
        } else {
          memcpy(&days, data + 8 * (start + r), 8);
          days = days / 86400000 - (days % 86400000 < 0);
        }
        cells.tags[r] = (uint8_t)finest(days * 86400, 0, naive_tags, &cells.values[r]);
      }
      break;
    case K_TIME:
      for (int r = 0; r < count; r++) {
        int64_t x;
        if (node->width == 4) {
          int32_t narrow;
          memcpy(&narrow, data + 4 * (start + r), 4);
          x = narrow;
        } else {
          memcpy(&x, data + 8 * (start + r), 8);
        }
        cells.tags[r] = (uint8_t)finest(x, node->unit, time_tags, &cells.values[r]);
      }
      break;
    case K_FIXED_BYTES:
      for (int r = 0; r < count; r++) {
        cells.tags[r] = T_BYTES;
        cells.values[r] = (uint64_t)(uintptr_t)(data + node->width * (start + r));
        cells.lengths[r] = (uint32_t)node->width;
      }
      break;
    default:
      *owned = 1;
      return bodies(node, array, start, count, cells, arena, limit);
  }
  if (bits)
    for (int r = 0; r < count; r++)
      if (!bit(bits, start + r)) cells.tags[r] = T_NULL;
  return count;
}

static int append(Buffer *out, const void *bytes, size_t length) {
  if (!lt_reserve(out, length + 16)) return OUT_OF_MEMORY;
  memcpy(out->at + out->used, bytes, length);
  out->used += length;
  return 1;
}

static int append_head(Buffer *out, int tag, uint64_t count) {
  uint8_t head[5] = {(uint8_t)tag};
  if (count > UINT32_MAX) return TOO_LONG;
  put32(head + 1, (uint32_t)count);
  return append(out, head, 5);
}

static int append_list(Node *node, const struct ArrowArray *array, int64_t from, int64_t count, Buffer *out) {
  int status = append_head(out, T_LIST, (uint64_t)count);
  for (int64_t i = 0; status > 0 && i < count; i++) status = lt_append_cell(node->kid[0], array->children[0], from + i, out);
  return status;
}

static int append_struct(Node *node, const struct ArrowArray *array, int64_t index, Buffer *out) {
  int status = append_head(out, T_STRUCT, (uint64_t)node->kids);
  for (int i = 0; status > 0 && i < node->kids; i++) {
    Node *kid = node->kid[node->order[i]];
    size_t length = strlen(kid->name);
    uint8_t head[4];
    put32(head, (uint32_t)length);
    if ((status = append(out, head, 4)) < 0 || (status = append(out, kid->name, length)) < 0) return status;
    status = lt_append_cell(kid, array->children[node->order[i]], index, out);
  }
  return status;
}

typedef struct {
  size_t from, length;
} Span;

static int span_order(const uint8_t *bytes, Span a, Span b) {
  int side = memcmp(bytes + a.from, bytes + b.from, a.length < b.length ? a.length : b.length);
  return side ? side : (a.length > b.length) - (a.length < b.length);
}

/* The entries of a map, sorted by their bytes: key cell, then value cell. */
static int append_map(Node *node, const struct ArrowArray *array, int64_t from, int64_t count, Buffer *out) {
  const struct ArrowArray *entries = array->children[0];
  Node *entry = node->kid[0];
  int status = append_head(out, T_MAP, (uint64_t)count);
  Span *spans = malloc(((size_t)count + 1) * sizeof *spans), *other = malloc(((size_t)count + 1) * sizeof *other);
  Buffer own = {0};
  if (!spans || !other) status = OUT_OF_MEMORY;
  for (int64_t i = 0; status > 0 && i < count; i++) {
    int64_t at = from + i + entries->offset;
    spans[i].from = own.used;
    if ((status = lt_append_cell(entry->kid[0], entries->children[0], at, &own)) > 0)
      status = lt_append_cell(entry->kid[1], entries->children[1], at, &own);
    spans[i].length = own.used - spans[i].from;
  }
  for (int64_t width = 1; status > 0 && width < count; width *= 2) { /* merge sort */
    for (int64_t low = 0; low < count; low += 2 * width) {
      int64_t middle = low + width < count ? low + width : count, high = middle + width < count ? middle + width : count;
      int64_t a = low, b = middle;
      for (int64_t to = low; to < high; to++)
        other[to] = a < middle && (b >= high || span_order(own.at, spans[a], spans[b]) <= 0) ? spans[a++] : spans[b++];
    }
    Span *swap = spans;
    spans = other;
    other = swap;
  }
  for (int64_t i = 0; status > 0 && i < count; i++) status = append(out, own.at + spans[i].from, spans[i].length);
  free(spans);
  free(other);
  free(own.at);
  return status;
}

int lt_append_cell(Node *node, const struct ArrowArray *array, int64_t index, Buffer *out) {
  const uint8_t *bits = validity(node, array);
  int64_t at = index + array->offset;
  if (node->kind != K_DICTIONARY && node->kind != K_RUNS && bits && !bit(bits, at)) return append(out, "", 1);
  const void *first = array->n_buffers > 1 ? buffer_of(array, 1) : NULL;
  switch (node->kind) {
    case K_LIST: case K_MAP: {
      int64_t from = offset_at(first, node->width, at), to = offset_at(first, node->width, at + 1);
      return node->kind == K_MAP ? append_map(node, array, from, to - from, out)
                                 : append_list(node, array, from, to - from, out);
    }
    case K_LIST_VIEW:
      return append_list(node, array, offset_at(first, node->width, at), offset_at(buffer_of(array, 2), node->width, at), out);
    case K_FIXED_LIST: return append_list(node, array, at * node->width, node->width, out);
    case K_STRUCT: return append_struct(node, array, at, out);
    case K_DICTIONARY: {
      uint8_t tag = 0;
      uint64_t value = 0;
      uint32_t length;
      int owned;
      Node plain = {.kind = K_INT, .width = node->width, .is_signed = node->is_signed};
      lt_cells(&plain, array, index, 1, (Cells){&tag, &value, &length}, out, SIZE_MAX, &owned);
      return tag == T_NULL ? append(out, "", 1) : lt_append_cell(node->dictionary, array->dictionary, (int64_t)value, out);
    }
    case K_RUNS: { /* the first run that ends past `at` */
      const struct ArrowArray *ends = array->children[0];
      int width = node->kid[0]->width;
      int64_t low = 0, high = ends->length;
      while (low < high) {
        int64_t middle = low + (high - low) / 2, end;
        const uint8_t *where = (const uint8_t *)buffer_of(ends, 1) + width * (middle + ends->offset);
        if (width == 2) {
          int16_t narrow;
          memcpy(&narrow, where, 2);
          end = narrow;
        } else {
          end = offset_at(where, width, 0);
        }
        if (end <= at) low = middle + 1;
        else high = middle;
      }
      return lt_append_cell(node->kid[1], array->children[1], low, out);
    }
    default: break;
  }
  uint8_t tag = 0, head[13];
  uint64_t value = 0;
  uint32_t length = 0;
  int owned;
  Buffer own = {0};
  int status = lt_cells(node, array, index, 1, (Cells){&tag, &value, &length}, &own, SIZE_MAX, &owned);
  if (status < 0) {
    free(own.at);
    return status;
  }
  head[0] = tag;
  if (tag == T_NULL) {
    status = append(out, head, 1);
  } else if (is_fixed(tag)) {
    put64(head + 1, value);
    status = append(out, head, 9);
  } else {
    put32(head + 1, length);
    if ((status = append(out, head, 5)) > 0)
      status = append(out, owned ? own.at + value : (const uint8_t *)(uintptr_t)value, length);
  }
  free(own.at);
  return status;
}
