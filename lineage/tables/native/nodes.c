/* Make nodes from an Arrow schema: its format strings, as the C data interface defines them. */
#include "nodes.h"

#include <stdio.h>

static int unit_of(char c) { return c == 's' ? 0 : c == 'm' ? 1 : c == 'u' ? 2 : 3; }

int lt_name_order(const char *a, const char *b) { return strcmp(a, b); } /* bytes, without sign */

static int parse(Node *node, const char *f) {
  switch (f[0]) {
    case 'n': node->kind = K_NULL; return 1;
    case 'b': node->kind = K_BOOL; return 1;
    case 'c': case 's': case 'i': case 'l': case 'C': case 'S': case 'I': case 'L': {
      char low = (char)(f[0] | 32);
      node->kind = K_INT;
      node->is_signed = f[0] == low;
      node->width = low == 'c' ? 1 : low == 's' ? 2 : low == 'i' ? 4 : 8;
      return 1;
    }
    case 'e': node->kind = K_FLOAT16; return 1;
    case 'f': node->kind = K_FLOAT32; return 1;
    case 'g': node->kind = K_FLOAT64; return 1;
    case 'u': node->kind = K_TEXT; node->width = 4; return 1;
    case 'U': node->kind = K_TEXT; node->width = 8; return 1;
    case 'z': node->kind = K_BYTES; node->width = 4; return 1;
    case 'Z': node->kind = K_BYTES; node->width = 8; return 1;
    case 'w': node->kind = K_FIXED_BYTES; node->width = atoi(f + 2); return 1;
    case 'v': node->kind = f[1] == 'u' ? K_TEXT_VIEW : K_BYTES_VIEW; return f[1] == 'u' || f[1] == 'z';
    case 'd': {
      int precision = 0, bits = 128;
      node->kind = K_DECIMAL;
      if (sscanf(f, "d:%d,%d,%d", &precision, &node->scale, &bits) < 2) return 0;
      node->width = bits / 8;
      return bits == 32 || bits == 64 || bits == 128 || bits == 256;
    }
    case 't':
      node->unit = unit_of(f[2]);
      switch (f[1]) {
        case 'd': node->kind = f[2] == 'D' ? K_DATE32 : K_DATE64; return 1;
        case 't': node->kind = K_TIME; node->width = node->unit < 2 ? 4 : 8; return 1;
        case 's': node->kind = K_TIMESTAMP; node->zoned = f[3] == ':' && f[4] != 0; return 1;
        case 'D': node->kind = K_DURATION; return 1;
        default: return 0;
      }
    case '+':
      switch (f[1]) {
        case 'l': node->kind = K_LIST; node->width = 4; return 1;
        case 'L': node->kind = K_LIST; node->width = 8; return 1;
        case 'v':
          node->kind = K_LIST_VIEW;
          node->width = f[2] == 'l' ? 4 : 8;
          return f[2] == 'l' || f[2] == 'L';
        case 'w': node->kind = K_FIXED_LIST; node->width = atoi(f + 3); return 1;
        case 's': node->kind = K_STRUCT; return 1;
        case 'm': node->kind = K_MAP; node->width = 4; return 1;
        case 'r': node->kind = K_RUNS; return 1;
        default: return 0;
      }
    default: return 0;
  }
}

void lt_node_free(Node *node) {
  if (!node) return;
  for (int i = 0; i < node->kids; i++) lt_node_free(node->kid[i]);
  lt_node_free(node->dictionary);
  free(node->kid);
  free(node->order);
  free(node->name);
  free(node);
}

/* Sort the fields of a struct by name: a heap, as 10,000 columns are no reason to wait. */
static void sort_fields(Node *node) {
  int n = node->kids, *order = node->order;
  for (int i = 0; i < n; i++) order[i] = i;
#define NAME_AT(i) node->kid[order[i]]->name
  for (int end = n, build = n / 2; end > 1;) {
    int root;
    if (build > 0) {
      root = --build;
    } else {
      int swap = order[--end];
      order[end] = order[0];
      order[0] = swap;
      root = 0;
    }
    for (int child; (child = 2 * root + 1) < end; root = child) {
      if (child + 1 < end && lt_name_order(NAME_AT(child), NAME_AT(child + 1)) < 0) child++;
      if (lt_name_order(NAME_AT(root), NAME_AT(child)) >= 0) break;
      int swap = order[root];
      order[root] = order[child];
      order[child] = swap;
    }
  }
}

Node *lt_node_new(const struct ArrowSchema *schema, char *error, size_t room) {
  Node *node = calloc(1, sizeof *node);
  if (!node || !(node->name = strdup(schema->name ? schema->name : ""))) goto memory;
  if (!parse(node, schema->format)) {
    snprintf(error, room, "%s", schema->format);
    lt_node_free(node);
    return NULL;
  }
  if (schema->dictionary) { /* the format is that of the index */
    node->kind = K_DICTIONARY;
    if (!(node->dictionary = lt_node_new(schema->dictionary, error, room))) goto failed;
  }
  size_t kids = (size_t)schema->n_children;
  if (!(node->kid = calloc(kids + 1, sizeof *node->kid)) || !(node->order = calloc(kids + 1, sizeof *node->order)))
    goto memory;
  for (; (size_t)node->kids < kids; node->kids++)
    if (!(node->kid[node->kids] = lt_node_new(schema->children[node->kids], error, room))) goto failed;
  sort_fields(node);
  if (node->kind == K_STRUCT)
    for (int i = 1; i < node->kids; i++)
      if (!lt_name_order(node->kid[node->order[i - 1]]->name, node->kid[node->order[i]]->name)) {
        snprintf(error, room, "twice:%s", node->kid[node->order[i]]->name);
        goto failed;
      }
  return node;
memory:
  snprintf(error, room, "memory");
failed:
  lt_node_free(node);
  return NULL;
}
