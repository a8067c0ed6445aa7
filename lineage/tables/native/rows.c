/* Encode record batches to rows, digest the rows, and collect what the digests of the columns are made of. */
#include "nodes.h"

#include <stdio.h>

enum { BLOCK = 512, WRITE_AT_ONCE = 1 << 20, ARENA_LIMIT = 4 << 20 };
enum { TAGS, PAYLOADS, LENGTHS, BYTES, STREAMS };

typedef struct {
  Node *node;
  Cells cells;
  Buffer arena; /* what a block's cells own */
  int owned;
  int same; /* the tag that all cells of the block have, or -1 */
  Buffer stream[STREAMS];
  uint64_t counts[T_COUNT];
  /* A dictionary's values, encoded once an array. */
  Cells values;
  Buffer values_arena;
  int values_owned, cached;
  int64_t values_room;
} Column;

typedef struct {
  Node *root;
  Column *columns;
  int *order, many, streams, block;
  Buffer rows, scratch;
  uint8_t *heap; /* the cells of all columns */
  int which;
} Table;

LT_EXPORT int lt_abi(void) {
  lt_numbers_begin();
  lt_digests_begin();
  return LT_ABI;
}

LT_EXPORT int lt_which(Table *table) { return table->which; }

LT_EXPORT void lt_close(Table *table) {
  if (!table) return;
  for (int i = 0; table->columns && i < table->many; i++) {
    Column *column = &table->columns[i];
    free(column->arena.at);
    free(column->values_arena.at);
    free(column->values.tags);
    free(column->values.values);
    free(column->values.lengths);
    for (int s = 0; s < STREAMS; s++) free(column->stream[s].at);
  }
  free(table->columns);
  free(table->order);
  free(table->heap);
  free(table->rows.at);
  free(table->scratch.at);
  lt_node_free(table->root);
  free(table);
}

/* Begin: a schema (released by the caller), the columns in canonical order, the mode of each, and whether the columns'
 * digests are wanted. NULL with `error` filled: an Arrow format that has no cells, "twice:<name>", or "memory". */
LT_EXPORT Table *lt_open(const struct ArrowSchema *schema, const int32_t *order, const uint8_t *modes, int streams,
                         char *error, size_t room) {
  Table *table = calloc(1, sizeof *table);
  if (!table || !(table->root = lt_node_new(schema, error, room))) {
    lt_close(table);
    return NULL;
  }
  table->many = table->root->kids;
  table->streams = streams;
  size_t many = (size_t)table->many;
  /* A block's cells, 13 bytes each, should stay in the second cache. */
  table->block = many == 0 ? BLOCK : (int)(400000 / (13 * many));
  table->block = table->block > BLOCK ? BLOCK : table->block < 16 ? 16 : table->block;
  size_t block = (size_t)table->block;
  table->columns = calloc(many + 1, sizeof *table->columns);
  table->order = calloc(many + 1, sizeof *table->order);
  table->heap = malloc((many + 1) * block * 16);
  if (!table->columns || !table->order || !table->heap) {
    snprintf(error, room, "memory");
    lt_close(table);
    return NULL;
  }
  for (size_t i = 0; i < many; i++) {
    Column *column = &table->columns[i];
    column->node = table->root->kid[i];
    column->node->mode = modes ? modes[i] : M_PLAIN;
    table->order[i] = order[i];
    uint8_t *at = table->heap + i * block * 16;
    column->cells = (Cells){at + 12 * block, (uint64_t *)at, (uint32_t *)(at + 8 * block)};
  }
  return table;
}

static int values_room(Column *column, int64_t wanted) {
  if (wanted <= column->values_room) return 1;
  free(column->values.tags);
  free(column->values.values);
  free(column->values.lengths);
  column->values.tags = malloc((size_t)wanted);
  column->values.values = malloc(8 * (size_t)wanted);
  column->values.lengths = malloc(4 * (size_t)wanted);
  column->values_room = column->values.tags && column->values.values && column->values.lengths ? wanted : 0;
  return column->values_room == wanted;
}

/* Encode the values of a dictionary, where that is less work than to encode them cell by cell. */
static int cache_values(Column *column, const struct ArrowArray *array, int64_t rows) {
  const struct ArrowArray *values = array->dictionary;
  column->cached = 0;
  if (column->node->kind != K_DICTIONARY || values->length > rows || is_nested(column->node->dictionary)) return 1;
  if (!values_room(column, values->length + 1)) return -1;
  column->values_arena.used = 0;
  int status = lt_cells(column->node->dictionary, values, 0, (int)values->length, column->values, &column->values_arena,
                        SIZE_MAX, &column->values_owned);
  column->cached = status >= 0;
  return status;
}

static int gather(Column *column, const struct ArrowArray *array, int64_t start, int count) {
  Node index = {.kind = K_INT, .width = column->node->width, .is_signed = column->node->is_signed};
  Cells cells = column->cells;
  int owned;
  lt_cells(&index, array, start, count, cells, &column->arena, SIZE_MAX, &owned);
  column->owned = 0;
  uint64_t base = column->values_owned ? (uint64_t)(uintptr_t)column->values_arena.at : 0;
  for (int r = 0; r < count; r++) {
    if (cells.tags[r] == T_NULL) continue;
    uint64_t i = cells.values[r];
    unsigned tag = column->values.tags[i];
    cells.tags[r] = (uint8_t)tag;
    cells.values[r] = column->values.values[i];
    if (tag == T_NULL || is_fixed(tag)) continue;
    cells.values[r] += base;
    cells.lengths[r] = column->values.lengths[i];
  }
  return count;
}

/* Add a block's cells to the four streams of a column. */
LT_CLONES static int collect(Column *column, int count) {
  Cells cells = column->cells;
  Buffer *tags = &column->stream[TAGS], *payloads = &column->stream[PAYLOADS], *lengths = &column->stream[LENGTHS],
         *bytes = &column->stream[BYTES];
  int first = column->same;
  if (!lt_reserve(tags, (size_t)count)) return 0;
  memcpy(tags->at + tags->used, cells.tags, (size_t)count);
  tags->used += (size_t)count;
  if (first == T_NULL || (first > 0 && is_fixed((unsigned)first))) {
    column->counts[first] += (uint64_t)count;
    if (first == T_NULL) return 1;
    if (!lt_reserve(payloads, 8 * (size_t)count)) return 0;
    uint8_t *to = payloads->at + payloads->used;
    if (LT_BIG_ENDIAN)
      for (int r = 0; r < count; r++) put64(to + 8 * r, cells.values[r]);
    else
      memcpy(to, cells.values, 8 * (size_t)count);
    payloads->used += 8 * (size_t)count;
    return 1;
  }
  if (!lt_reserve(payloads, 8 * (size_t)count) || !lt_reserve(lengths, 4 * (size_t)count)) return 0;
  size_t total = 0;
  for (int r = 0; r < count; r++) {
    unsigned tag = cells.tags[r];
    column->counts[tag]++;
    if (is_fixed(tag)) {
      put64(payloads->at + payloads->used, cells.values[r]);
      payloads->used += 8;
    } else if (tag != T_NULL) {
      put32(lengths->at + lengths->used, cells.lengths[r]);
      lengths->used += 4;
      total += cells.lengths[r];
    }
  }
  if (!total) return 1;
  if (!lt_reserve(bytes, total)) return 0;
  uint8_t *to = bytes->at + bytes->used;
  for (int r = 0; r < count; r++) {
    unsigned tag = cells.tags[r];
    if (tag == T_NULL || is_fixed(tag)) continue;
    uint32_t length = cells.lengths[r];
    const uint8_t *from = (const uint8_t *)(uintptr_t)cells.values[r];
    lt_copy(to, from, length);
    to += length;
  }
  bytes->used += total;
  return 1;
}

static inline int has_length(unsigned tag) { return tag == T_TEXT || tag == T_BYTES || tag == T_DEC; }

/* Write rows [from, to) of the block one after another, with room for zeros up to a multiple of 64, and digest them. */
LT_CLONES static int write_rows(Table *table, int from, int to, const uint64_t *sizes, uint8_t (*out)[32]) {
  const uint8_t *starts[BLOCK];
  uint8_t *cursors[BLOCK];
  size_t total = 0;
  for (int r = from; r < to; r++) total += (sizes[r] / 64 + 1) * 64;
  table->rows.used = 0;
  if (!lt_reserve(&table->rows, total + 64)) return 0;
  uint8_t *at = table->rows.at;
  for (int r = from; r < to; r++) {
    starts[r - from] = cursors[r - from] = at;
    size_t slot = (sizes[r] / 64 + 1) * 64;
    memset(at + slot - 64, 0, 64);
    at += slot;
  }
  for (int i = 0; i < table->many; i++) {
    Column *column = &table->columns[table->order[i]];
    const uint8_t *tags = column->cells.tags;
    const uint64_t *values = column->cells.values;
    const uint32_t *lengths = column->cells.lengths;
    if (column->same == T_NULL) {
      for (int r = from; r < to; r++) *cursors[r - from]++ = T_NULL;
      continue;
    }
    if (column->same > 0 && is_fixed((unsigned)column->same)) {
      for (int r = from; r < to; r++) {
        uint8_t *p = cursors[r - from];
        *p = (uint8_t)column->same;
        put64(p + 1, values[r]);
        cursors[r - from] = p + 9;
      }
      continue;
    }
    for (int r = from; r < to; r++) {
      unsigned tag = tags[r];
      uint8_t *p = cursors[r - from];
      *p++ = (uint8_t)tag;
      if (is_fixed(tag)) {
        put64(p, values[r]);
        p += 8;
      } else if (tag != T_NULL) {
        uint32_t length = lengths[r];
        const uint8_t *bytes = (const uint8_t *)(uintptr_t)values[r];
        if (has_length(tag)) {
          put32(p, length);
          p += 4;
        }
        lt_copy(p, bytes, length);
        p += length;
      }
      cursors[r - from] = p;
    }
  }
  return lt_digest_rows(starts, sizes + from, to - from, out, &table->scratch);
}

/* Find a column whose mode doesn't suit this block; nothing of the block has been collected yet. */
static int stop(Table *table) {
  for (int i = 0; i < table->many; i++) {
    Node *node = table->columns[i].node;
    unsigned spellings = node->seen & (S_LOWER | S_TITLE | S_UPPER), others = node->seen & ~spellings;
    if (others || (spellings & (spellings - 1))) {
      table->which = i;
      return 1;
    }
  }
  return 0;
}

LT_CLONES static int encode_block(Table *table, const struct ArrowArray *array, int64_t start, int count, uint8_t (*out)[32]) {
  uint64_t sizes[BLOCK], base = 0;
  for (int i = 0; i < table->many; i++) {
    Column *column = &table->columns[i];
    const struct ArrowArray *child = array->children[i];
    int64_t at = start + array->offset;
    column->arena.used = 0;
    int done = column->cached ? gather(column, child, at, count)
                              : lt_cells(column->node, child, at, count, column->cells, &column->arena, ARENA_LIMIT,
                                         &column->owned);
    if (done < 0) {
      table->which = i;
      return done;
    }
    if (done < count) count = done;
  }
  if (stop(table)) return 0;
  for (int r = 0; r < count; r++) sizes[r] = 0;
  for (int i = 0; i < table->many; i++) {
    Column *column = &table->columns[i];
    Cells cells = column->cells;
    if (column->owned) { /* offsets become addresses now that the arena stays where it is */
      for (int r = 0; r < count; r++)
        if (cells.tags[r] != T_NULL && !is_fixed(cells.tags[r])) cells.values[r] += (uint64_t)(uintptr_t)column->arena.at;
    }
    unsigned first = cells.tags[0], differ = 0;
    for (int r = 0; r < count; r++) differ |= cells.tags[r] ^ first;
    column->same = differ ? -1 : (int)first;
    if (!differ && is_fixed(first)) {
      base += 9;
    } else if (!differ && first == T_NULL) {
      base += 1;
    } else {
      for (int r = 0; r < count; r++) {
        unsigned tag = cells.tags[r];
        sizes[r] += is_fixed(tag) ? 9 : tag == T_NULL ? 1 : 1 + (uint64_t)cells.lengths[r] + (has_length(tag) ? 4 : 0);
      }
    }
    if (table->streams && !collect(column, count)) return -1;
  }
  for (int r = 0; r < count; r++) sizes[r] += base;
  for (int from = 0; from < count;) {
    int to = from;
    uint64_t total = 0;
    do total += sizes[to++];
    while (to < count && total + sizes[to] <= WRITE_AT_ONCE);
    if (!write_rows(table, from, to, sizes, out + from)) return -1;
    from = to;
  }
  return count;
}

/* Encode and digest rows from `start` on, until `rows` are done, the streams hold `limit` bytes or a column's mode doesn't
 * suit what comes next (then lt_which tells the column, else it is -1). Returns how many; -1 out of memory, -2 a cell is too
 * long to tell its length. */
LT_EXPORT int64_t lt_update(Table *table, const struct ArrowArray *array, int64_t start, int64_t rows, size_t limit,
                            uint8_t (*out)[32]) {
  int64_t done = 0;
  size_t held = 0;
  int block = table->block;
  table->which = -1;
  for (int i = 0; i < table->many; i++)
    if (cache_values(&table->columns[i], array->children[i], rows) < 0) return -1;
  while (done < rows && held < limit) {
    int count = rows - done < block ? (int)(rows - done) : block;
    int encoded = encode_block(table, array, start + done, count, out + done);
    if (encoded < 0) return encoded;
    if (table->which >= 0) return done;
    done += encoded;
    /* Where large nested cells cut a block short, the next is as short, so that little is encoded twice. */
    block = encoded < count ? encoded : block * 2 < table->block ? block * 2 : table->block;
    held = 0;
    for (int i = 0; table->streams && i < table->many; i++)
      for (int s = 0; s < STREAMS; s++) held += table->columns[i].stream[s].used;
  }
  return done;
}

/* Hand out all streams, four a column: addresses and lengths. The bytes stay until the next update. */
LT_EXPORT void lt_streams(Table *table, uint64_t *at, uint64_t *lengths) {
  for (int i = 0; i < table->many; i++)
    for (int s = 0; s < STREAMS; s++) {
      Buffer *stream = &table->columns[i].stream[s];
      at[STREAMS * i + s] = (uint64_t)(uintptr_t)stream->at;
      lengths[STREAMS * i + s] = stream->used;
      stream->used = 0;
    }
}

LT_EXPORT const uint64_t *lt_counts(Table *table, int column) { return table->columns[column].counts; }
LT_EXPORT void lt_set_mode(Table *table, int column, int mode) {
  table->columns[column].node->mode = mode;
  table->columns[column].node->seen = 0;
}

/* See what the cells of columns of text files are: S_... added to `seen`, for columns whose `wanted` is set. */
LT_EXPORT void lt_classify(Table *table, const struct ArrowArray *array, int64_t start, const uint8_t *wanted, uint32_t *seen) {
  for (int i = 0; i < table->many; i++) {
    const struct ArrowArray *child = array->children[i];
    const Node *node = table->columns[i].node;
    if (!wanted[i] || node->kind != K_TEXT || !child->buffers[1] || !child->buffers[2]) continue;
    const uint8_t *bits = child->null_count == 0 ? NULL : child->buffers[0], *data = child->buffers[2];
    int64_t to = array->offset + child->offset + array->length, from = to - array->length + start;
    uint32_t kinds = seen[i];
#define OFFSET(r) (node->width == 4 ? (int64_t)((const int32_t *)child->buffers[1])[r] : ((const int64_t *)child->buffers[1])[r])
    const uint8_t *end = data + OFFSET(to);
    for (int64_t r = from; r < to && !(kinds & S_OTHER); r++)
      if (!bits || bits[r >> 3] >> (r & 7) & 1) kinds |= lt_kind(data + OFFSET(r), (size_t)(OFFSET(r + 1) - OFFSET(r)), end);
    seen[i] = kinds;
  }
}

LT_EXPORT void lt_release_array(struct ArrowArray *array) {
  if (array->release) array->release(array);
}
LT_EXPORT void lt_release_schema(struct ArrowSchema *schema) {
  if (schema->release) schema->release(schema);
}
