/* Columns as the kernel sees them: a tree of nodes, made from an Arrow schema. */
#ifndef LT_NODES_H
#define LT_NODES_H

#include "lt.h"

enum Kind {
  K_NULL, K_BOOL, K_INT, K_FLOAT16, K_FLOAT32, K_FLOAT64, K_DECIMAL, K_TIMESTAMP, K_DATE32, K_DATE64, K_TIME, K_DURATION,
  K_TEXT, K_TEXT_VIEW, K_BYTES, K_BYTES_VIEW, K_FIXED_BYTES, K_LIST, K_LIST_VIEW, K_FIXED_LIST, K_STRUCT, K_MAP,
  K_DICTIONARY, K_RUNS
};

typedef struct Node {
  enum Kind kind;
  int width;     /* bytes of a value, an offset or an index; elements of a fixed list */
  int is_signed; /* of integers and indices */
  int unit;      /* 0 s, 1 ms, 2 µs, 3 ns */
  int zoned;
  int scale;
  int mode; /* of text, M_... */
  unsigned seen; /* S_... */
  char *name;
  int kids;
  struct Node **kid;
  int *order; /* of a struct's fields by name */
  struct Node *dictionary;
} Node;

Node *lt_node_new(const struct ArrowSchema *schema, char *error, size_t room);
void lt_node_free(Node *node);
int lt_name_order(const char *a, const char *b);

static inline int is_nested(const Node *node) {
  return node->kind == K_LIST || node->kind == K_LIST_VIEW || node->kind == K_FIXED_LIST || node->kind == K_STRUCT ||
         node->kind == K_MAP || node->kind == K_RUNS || node->kind == K_DICTIONARY;
}

/* Encode cells [start, start + count) of an array; what has no place of its own is written to `arena`, by offset
 * (`owned` tells: then values are offsets into it). Returns how many cells were encoded: fewer when the arena grows past
 * `limit`; -1 when memory is out, -2 when a cell is longer than a u32 can tell. */
int lt_cells(Node *node, const struct ArrowArray *array, int64_t start, int count, Cells cells, Buffer *arena, size_t limit,
             int *owned);
/* Append one whole cell, as rule 3 writes it. */
int lt_append_cell(Node *node, const struct ArrowArray *array, int64_t index, Buffer *out);

#endif
