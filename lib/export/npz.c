/* NumPy's .npz: a zip archive of .npy files, stored.  Gradients have their plain names; with --all
 * also `value.NAME` for every node.  minizip goes back to fill in sizes, so that the archive is
 * built in memory. */
#include <stdio.h>
#include <string.h>

#include <minizip/zip.h>

#include "export/export.h"

/* ---- a file in memory, as minizip wants it -------------------------------------------------- */

struct memory {
  struct text bytes; /* with room for all of it */
  size_t at;
};

static voidpf open_memory(voidpf user, const void *name, int mode) {
  (void)name, (void)mode;
  return user;
}

static uLong write_memory(voidpf user, voidpf stream, const void *bytes, uLong size) {
  struct memory *memory = stream;
  (void)user;
  if (memory->at + size > memory->bytes.capacity) return 0;
  memcpy(memory->bytes.at + memory->at, bytes, size);
  memory->at += size;
  if (memory->at > memory->bytes.count) memory->bytes.count = memory->at;
  return size;
}

static uLong read_memory(voidpf user, voidpf stream, void *bytes, uLong size) {
  (void)user, (void)stream, (void)bytes, (void)size;
  return 0;
}

static ZPOS64_T tell_memory(voidpf user, voidpf stream) {
  (void)user;
  return ((struct memory *)stream)->at;
}

static long seek_memory(voidpf user, voidpf stream, ZPOS64_T offset, int origin) {
  struct memory *memory = stream;
  (void)user;
  size_t from = origin == ZLIB_FILEFUNC_SEEK_SET   ? 0
                : origin == ZLIB_FILEFUNC_SEEK_CUR ? memory->at
                                                   : memory->bytes.count;
  memory->at = from + (size_t)offset;
  return memory->at <= memory->bytes.count ? 0 : -1;
}

static int close_memory(voidpf user, voidpf stream) {
  (void)user, (void)stream;
  return 0;
}

/* ---- members --------------------------------------------------------------------------------- */

enum { HEADER = 10, LINE = 64, OVERHEAD = 1024 }; /* of an .npy file; of a member, about */

/* The header of format version 1: a Python dict, padded so that the data starts a line. */
static void print_header(const struct shape *shape, struct text *out) {
  struct text dict;
  text_init(&dict, out->arena, NULL, NULL);
  text_puts(&dict, "{'descr': '<f8', 'fortran_order': False, 'shape': (");
  for (unsigned i = 0; i < shape->rank; i++) {
    text_integer(&dict, shape->dim[i]);
    text_puts(&dict, shape->rank == 1 ? "," : i + 1 < shape->rank ? ", " : "");
  }
  text_puts(&dict, "), }");
  text_fill(&dict, ' ', LINE - 1 - (HEADER + dict.count) % LINE);
  text_char(&dict, '\n');
  text_add(out, "\x93NUMPY\x01\x00", 8);
  text_char(out, (char)(dict.count & 0xff));
  text_char(out, (char)(dict.count >> 8));
  text_add(out, dict.at, dict.count);
}

static void write_doubles(zipFile zip, const double *at, size_t count) {
  enum { PIECE = 1024 };
  unsigned char bytes[PIECE * 8];
  for (size_t from = 0; from < count; from += PIECE) {
    size_t n = count - from < PIECE ? count - from : PIECE;
    for (size_t i = 0; i < n; i++) {
      uint64_t bits = 0;
      if (at) memcpy(&bits, at + from + i, sizeof bits);
      for (int b = 0; b < 8; b++) bytes[8 * i + (size_t)b] = (unsigned char)(bits >> 8 * b);
    }
    zipWriteInFileInZip(zip, bytes, (unsigned)(8 * n));
  }
}

static void add_member(const struct result *result, zipFile zip, const char *prefix, node_id id,
                       const double *at, struct arena *arena) {
  const struct node *node = graph_node(&result->net->graph, id);
  struct text name, header;
  text_init(&name, arena, NULL, NULL);
  text_init(&header, arena, NULL, NULL);
  text_puts(&name, prefix);
  graph_print_name(&result->net->graph, id, &name);
  text_puts(&name, ".npy");
  print_header(node->shape, &header);
  enum { UTF8_NAMES = 1 << 11, MADE_BY_UNIX = 3 << 8 | 20 };
  zip_fileinfo info = {.tmz_date = {0, 0, 0, 1, 0, 1980}, .external_fa = 0644UL << 16};
  zipOpenNewFileInZip4_64(zip, text_string(&name), &info, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, 0, 0,
                          NULL, 0, MADE_BY_UNIX, UTF8_NAMES, node->shape->size > 1U << 28);
  zipWriteInFileInZip(zip, header.at, (unsigned)header.count);
  write_doubles(zip, at, node->shape->size);
  zipCloseFileInZip(zip);
}

static bool is_written(const struct result *result, node_id id) {
  const struct node *node = graph_node(&result->net->graph, id);
  return (node->role != ROLE_LITERAL || node->name) && !node->backward &&
         run_value(&result->run, id);
}

static size_t count_bytes(const struct result *result) {
  size_t size = OVERHEAD;
  const struct graph *graph = &result->net->graph;
  for (size_t i = 0; i < result->wrt.count; i++) {
    const struct node *node = graph_node(graph, result->wrt.at[i]);
    size += node->shape->size * 8 + OVERHEAD + 2 * (size_t)node->name_size;
  }
  for (node_id id = 0; result->all && id < result->plan.node_count; id++) {
    const struct node *node = graph_node(graph, id), *owner = graph_node(graph, node->owner);
    if (is_written(result, id))
      size += node->shape->size * 8 + OVERHEAD + 2 * (size_t)owner->name_size;
  }
  return size;
}

void export_npz(const struct result *result, struct text *out) {
  struct memory memory = {.at = 0};
  text_init(&memory.bytes, out->arena, NULL, NULL);
  vec_room(out->arena, &memory.bytes, count_bytes(result));
  zlib_filefunc64_def functions = {open_memory, read_memory,  write_memory, tell_memory,
                                   seek_memory, close_memory, close_memory, &memory};
  zipFile zip = zipOpen2_64("", APPEND_STATUS_CREATE, NULL, &functions);
  if (!zip) arena_exhausted(out->arena);
  for (size_t i = 0; i < result->wrt.count; i++) {
    const double *at;
    if (result_gradient(result, result->wrt.at[i], &at) != GRADIENT_NULL)
      add_member(result, zip, "", result->wrt.at[i], at, out->arena);
  }
  for (node_id id = 0; result->all && id < result->plan.node_count; id++)
    if (is_written(result, id))
      add_member(result, zip, "value.", id, run_value(&result->run, id), out->arena);
  if (zipClose(zip, NULL) != ZIP_OK) out->failed = true;
  text_add(out, memory.bytes.at, memory.bytes.count);
}
