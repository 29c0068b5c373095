/* NumPy's .npz: a zip archive of .npy files, stored.  Gradients have their plain names; with --all
 * also `value.NAME` for every node.
 *
 * A stored member needs its length and checksum only, which are known before it is written: the
 * archive is written from front to end, whatever its size, and nothing of it is kept but its
 * directory.  (Format: PKWARE, APPNOTE.TXT, 4.3 and 4.5.3.) */
#include <string.h>

#include <zlib.h>

#include "export/archive.h"
#include "export/export.h"

/* ---- bytes ------------------------------------------------------------------------------- */

static void put(struct archive *zip, const void *bytes, size_t size) {
  text_add(zip->out, bytes, size);
  zip->written += size;
}

static void put_number(struct archive *zip, uint64_t number, int size) {
  char bytes[8];
  for (int i = 0; i < size; i++) bytes[i] = (char)(number >> 8 * i & 0xff);
  put(zip, bytes, (size_t)size);
}
static void put2(struct archive *zip, uint64_t number) { put_number(zip, number, 2); }
static void put4(struct archive *zip, uint64_t number) { put_number(zip, number, 4); }
static void put8(struct archive *zip, uint64_t number) { put_number(zip, number, 8); }

/* Numbers as .npy has them, little-endian, piece by piece; `at` NULL: zeros.  Without an archive
 * only the checksum is taken further. */
static uint32_t put_doubles(struct archive *zip, uint32_t checksum, const double *at,
                            size_t count) {
  enum { PIECE = 1024 };
  unsigned char bytes[PIECE * 8];
  for (size_t from = 0; from < count; from += PIECE) {
    size_t n = count - from < PIECE ? count - from : PIECE;
    for (size_t i = 0; i < n; i++) {
      uint64_t bits = 0;
      if (at) memcpy(&bits, at + from + i, sizeof bits);
      for (int b = 0; b < 8; b++) bytes[8 * i + (size_t)b] = (unsigned char)(bits >> 8 * b);
    }
    if (zip)
      put(zip, bytes, 8 * n);
    else
      checksum = (uint32_t)crc32(checksum, bytes, (uInt)(8 * n));
  }
  return checksum;
}

/* ---- a member ---------------------------------------------------------------------------- */

enum { MAGIC = 10, LINE = 64 }; /* of an .npy file: what stands before the header, its alignment */

/* The header of format version 1: a Python dict, padded so that the data starts a line. */
static void print_header(const struct array *array, struct text *out) {
  struct text dict;
  text_init(&dict, out->arena, NULL, NULL);
  text_puts(&dict, "{'descr': '<f8', 'fortran_order': False, 'shape': (");
  const unsigned rank = array->outer->rank + (array->inner ? array->inner->rank : 0);
  for (unsigned i = 0; i < rank; i++) {
    const bool outer = i < array->outer->rank;
    text_integer(&dict, outer ? array->outer->dim[i] : array->inner->dim[i - array->outer->rank]);
    text_puts(&dict, rank == 1 ? "," : i + 1 < rank ? ", " : "");
  }
  text_puts(&dict, "), }");
  text_fill(&dict, ' ', LINE - 1 - (MAGIC + dict.count) % LINE);
  text_char(&dict, '\n');
  text_add(out, "\x93NUMPY\x01\x00", 8);
  text_char(out, (char)(dict.count & 0xff));
  text_char(out, (char)(dict.count >> 8));
  text_add(out, dict.at, dict.count);
}

/* What does not fit its field is said in an extra field, and the field is all ones. */
enum { PLAIN = 20, LARGE = 45 }; /* the version of the format that a reader needs */
static const uint64_t elsewhere = UINT32_MAX;
static bool is_large(uint64_t number) { return number >= elsewhere; }
static uint64_t fitting(uint64_t number) { return is_large(number) ? elsewhere : number; }

/* The part of a member's header that also stands in the directory. */
static void put_about(struct archive *zip, const struct member *member, size_t extra) {
  enum { UTF8_NAMES = 1 << 11, STORED = 0, MIDNIGHT = 0, NEW_YEAR_1980 = 1 << 5 | 1 };
  put2(zip, extra ? LARGE : PLAIN);
  put2(zip, UTF8_NAMES);
  put2(zip, STORED);
  put2(zip, MIDNIGHT);
  put2(zip, NEW_YEAR_1980);
  put4(zip, member->checksum);
  put4(zip, extra ? elsewhere : member->size);
  put4(zip, extra ? elsewhere : member->size);
  put2(zip, member->name_size);
  put2(zip, extra);
}

static void put_sizes(struct archive *zip, const struct member *member, size_t extra, bool offset) {
  if (!extra) return;
  put2(zip, 1); /* the extra field for large files */
  put2(zip, extra - 4);
  put8(zip, member->size);
  put8(zip, member->size);
  if (offset) put8(zip, member->offset);
}

static void put_member(struct archive *zip, const struct member *member) {
  const size_t extra = is_large(member->size) ? 4 + 16 : 0;
  put4(zip, 0x04034b50);
  put_about(zip, member, extra);
  put(zip, member->name, member->name_size);
  put_sizes(zip, member, extra, false);
}

/* All numbers, to the archive or into the checksum. */
static uint32_t put_array(struct archive *zip, uint32_t checksum, const struct array *array,
                          double *row) {
  if (!array->inner) return put_doubles(zip, checksum, array->at, array->outer->size);
  for (size_t i = 0; i < array->outer->size; i++) {
    array->row(array->context, i, row);
    checksum = put_doubles(zip, checksum, row, array->inner->size);
  }
  return checksum;
}

void archive_add(struct archive *zip, const char *name, const struct array *array) {
  struct arena *arena = zip->out->arena;
  struct text file, header;
  text_init(&file, arena, NULL, NULL);
  text_init(&header, arena, NULL, NULL);
  text_printf(&file, "%s.npy", name);
  print_header(array, &header);
  const size_t inner = array->inner ? array->inner->size : 1;
  double *row = array->inner ? arena_resize(arena, NULL, (inner + 1) * sizeof *row) : NULL;
  struct member member = {.name = text_string(&file),
                          .name_size = file.count,
                          .size = header.count + 8 * (uint64_t)array->outer->size * inner,
                          .offset = zip->written};
  member.checksum = (uint32_t)crc32(0, (const Bytef *)header.at, (uInt)header.count);
  member.checksum = put_array(NULL, member.checksum, array, row);
  if (file.count > UINT16_MAX) zip->out->failed = true;
  put_member(zip, &member);
  put(zip, header.at, header.count);
  put_array(zip, 0, array, row);
  arena_release(arena, header.at);
  arena_release(arena, row);
  *vec_push(arena, &zip->members) = member;
}

/* ---- the directory ----------------------------------------------------------------------- */

static void put_entry(struct archive *zip, const struct member *member) {
  enum { MADE_BY_UNIX = 3 << 8 };
  const size_t extra = is_large(member->size) || is_large(member->offset) ? 4 + 24 : 0;
  put4(zip, 0x02014b50);
  put2(zip, MADE_BY_UNIX | LARGE);
  put_about(zip, member, extra);
  put2(zip, 0); /* no comment */
  put2(zip, 0); /* on the first disk */
  put2(zip, 0);
  put4(zip, 0100644U << 16);
  put4(zip, extra ? elsewhere : member->offset);
  put(zip, member->name, member->name_size);
  put_sizes(zip, member, extra, true);
}

/* The end of a directory of more members or bytes than the plain one can say. */
static void put_large_end(struct archive *zip, uint64_t start, uint64_t size) {
  const uint64_t here = zip->written, count = zip->members.count;
  put4(zip, 0x06064b50);
  put8(zip, 44); /* bytes that follow */
  put2(zip, LARGE);
  put2(zip, LARGE);
  put4(zip, 0);
  put4(zip, 0);
  put8(zip, count);
  put8(zip, count);
  put8(zip, size);
  put8(zip, start);
  put4(zip, 0x07064b50); /* and where that is */
  put4(zip, 0);
  put8(zip, here);
  put4(zip, 1);
}

void archive_end(struct archive *zip) {
  const uint64_t start = zip->written, count = zip->members.count;
  for (size_t i = 0; i < count; i++) put_entry(zip, &zip->members.at[i]);
  const uint64_t size = zip->written - start;
  const bool many = count >= UINT16_MAX;
  if (many || is_large(size) || is_large(start)) put_large_end(zip, start, size);
  put4(zip, 0x06054b50);
  put2(zip, 0);
  put2(zip, 0);
  put2(zip, many ? UINT16_MAX : count);
  put2(zip, many ? UINT16_MAX : count);
  put4(zip, fitting(size));
  put4(zip, fitting(start));
  put2(zip, 0); /* no comment */
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool is_written(const struct result *result, node_id id) {
  const struct node *node = graph_node(&result->net->graph, id);
  return (node->role != ROLE_LITERAL || node->name) && !node->backward &&
         run_value(&result->run, id);
}

static void add_node(const struct result *result, struct archive *zip, const char *prefix,
                     node_id id, const double *at) {
  struct text name;
  text_init(&name, zip->out->arena, NULL, NULL);
  text_puts(&name, prefix);
  graph_print_name(&result->net->graph, id, &name);
  const struct array array = {.outer = graph_node(&result->net->graph, id)->shape, .at = at};
  archive_add(zip, text_string(&name), &array);
}

void export_npz(const struct result *result, struct text *out) {
  struct archive zip = {.out = out};
  for (size_t i = 0; i < result->wrt.count; i++) {
    const double *at;
    if (result_gradient(result, result->wrt.at[i], &at) != GRADIENT_NULL)
      add_node(result, &zip, "", result->wrt.at[i], at);
  }
  for (node_id id = 0; result->all && id < result->plan.node_count; id++)
    if (is_written(result, id)) add_node(result, &zip, "value.", id, run_value(&result->run, id));
  archive_end(&zip);
}

uint32_t crc_of(const char *bytes, size_t size) {
  return (uint32_t)crc32_z(0, (const Bytef *)bytes, size);
}
