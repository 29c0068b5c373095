/* Data files and generators: what is read, and what each malformed file is told.  All files are
 * made here, byte by byte, in a temporary folder. */
#define _DEFAULT_SOURCE /* mkdtemp, symlink, mkfifo */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load/data.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- the temporary folder -------------------------------------------------------------------- */

struct world {
  char top[64];     /* holds net/ and netting/ */
  char folder[80];  /* top/net, where nets and data are */
  char sibling[80]; /* top/netting, whose name starts alike */
  jmp_buf guard;
  struct arena arena;
  struct report report;
  struct source *net;
  struct data data;
};

static void forget(struct world *w) {
  arena_free(&w->arena);
  report_init(&w->report, &w->arena);
  w->net = report_source(&w->report, "net.yaml", "file: x\n", 8);
}

static int set_up(void **state) {
  struct world *w = calloc(1, sizeof *w);
  const char *base = getenv("TMPDIR");
  if (!w || snprintf(w->top, sizeof w->top, "%s/bpgraph-XXXXXX", base ? base : "/tmp") < 0)
    return -1;
  if (!mkdtemp(w->top)) return -1;
  snprintf(w->folder, sizeof w->folder, "%s/net", w->top);
  snprintf(w->sibling, sizeof w->sibling, "%s/netting", w->top);
  if (mkdir(w->folder, 0700) || mkdir(w->sibling, 0700)) return -1;
  arena_init(&w->arena, &w->guard);
  forget(w);
  *state = w;
  return 0;
}

static void remove_folder(const char *path) {
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    char name[512];
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    bool self = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (!self && unlink(name)) remove_folder(name);
  }
  if (folder) closedir(folder);
  rmdir(path);
}

static int tear_down(void **state) {
  struct world *w = *state;
  arena_free(&w->arena);
  remove_folder(w->top);
  free(w);
  return 0;
}

static void put(const struct world *w, const char *name, const void *bytes, size_t size) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", w->folder, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static void put_text(const struct world *w, const char *name, const char *text) {
  put(w, name, text, strlen(text));
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_from(struct world *w, const char *root, const char *path, const char *key) {
  forget(w);
  struct data_request request = {.arena = &w->arena,
                                 .report = &w->report,
                                 .mark = source_mark(w->net, w->net->bytes + 6, 1),
                                 .folder = w->folder,
                                 .root = root,
                                 .path = path,
                                 .key = key};
  if (setjmp(w->guard)) fail_msg("memory ran out");
  bool good = data_read(&request, &w->data);
  assert_int_equal(good, !report_failed(&w->report));
  return good;
}

static bool read_key(struct world *w, const char *path, const char *key) {
  return read_from(w, w->folder, path, key);
}

/* All messages but notes, one a line: "2:3: text | hint" for a place in the data file, and without
 * a place when it is the value in the net that is marked. */
static const char *said(struct world *w) {
  struct text text;
  text_init(&text, &w->arena, NULL, NULL);
  for (size_t i = 0; i < w->report.messages.count; i++) {
    const struct message *message = &w->report.messages.at[i];
    struct place place;
    if (message->severity == SEVERITY_NOTE) continue;
    if (text.count) text_char(&text, '\n');
    assert_true(report_locate(&w->report, message->mark, &place));
    if (place.source != w->net) text_printf(&text, "%zu:%zu: ", place.line, place.column);
    text_puts(&text, message->text);
    if (message->hint) text_printf(&text, " | %s", message->hint);
  }
  return text_string(&text);
}

static void assert_same(double a, double b) {
  if (isnan(a) && isnan(b)) return;
  if (a != b || !signbit(a) != !signbit(b)) fail_msg("%.17g is not %.17g", a, b);
}

/* Compares what was read; `dims` is written as "[2, 3]". */
static void assert_tensor(struct world *w, const char *dims, size_t count, const double *values) {
  struct text text;
  text_init(&text, &w->arena, NULL, NULL);
  dims_print(&w->data.dims, &text);
  assert_string_equal(text_string(&text), dims);
  for (size_t i = 0; i < count; i++) assert_same(w->data.at[i], values[i]);
}

/* ---- .npy ------------------------------------------------------------------------------------ */

struct bytes {
  unsigned char at[4096];
  size_t size;
};

static void add(struct bytes *bytes, const void *more, size_t size) {
  assert_true(bytes->size + size <= sizeof bytes->at);
  memcpy(bytes->at + bytes->size, more, size);
  bytes->size += size;
}

/* A number of `size` bytes, little-endian. */
static void add_number(struct bytes *bytes, uint64_t x, size_t size) {
  for (size_t i = 0; i < size; i++, x >>= 8) add(bytes, &(unsigned char){(unsigned char)x}, 1);
}

static struct bytes make_npy(int version, const char *header, const void *data, size_t size) {
  struct bytes npy = {.size = 0};
  add(&npy, "\x93NUMPY", 6);
  add_number(&npy, (uint64_t)version, 2);
  add_number(&npy, strlen(header), version == 1 ? 2 : 4);
  add(&npy, header, strlen(header));
  if (size) add(&npy, data, size);
  return npy;
}

static const char *make_header(char out[200], const char *type, const char *order,
                               const char *shape) {
  snprintf(out, 200, "{'descr': %s, 'fortran_order': %s, 'shape': %s, }   \n", type, order, shape);
  return out;
}

static bool read_npy(struct world *w, const char *header, const void *data, size_t size) {
  struct bytes npy = make_npy(1, header, data, size);
  put(w, "a.npy", npy.at, npy.size);
  return read_key(w, "a.npy", NULL);
}

static void npy_reads_every_type_in_both_byte_orders(void **state) {
  struct world *w = *state;
  static const struct {
    const char *type;
    size_t size;
    uint64_t bits[3];
    double values[3];
  } rows[] = {
      {"b1", 1, {0, 1, 1}, {0, 1, 1}},
      {"i1", 1, {0x7f, 0x80, 0xff}, {127, -128, -1}},
      {"u1", 1, {0x7f, 0x80, 0xff}, {127, 128, 255}},
      {"i2", 2, {0x7fff, 0x8000, 0x0102}, {32767, -32768, 258}},
      {"u2", 2, {0x7fff, 0x8000, 0x0102}, {32767, 32768, 258}},
      {"i4", 4, {0x7fffffff, 0x80000000, 0x01020304}, {2147483647, -2147483648.0, 16909060}},
      {"u4", 4, {0x7fffffff, 0x80000000, 0xffffffff}, {2147483647, 2147483648, 4294967295}},
      {"i8", 8, {1ULL << 53, 1ULL << 63, UINT64_MAX}, {0x1p53, -0x1p63, -1}},
      {"u8",
       8,
       {1ULL << 53, 1ULL << 63, 0xfffffffffffff800},
       {0x1p53, 0x1p63, 0x1.fffffffffffffp63}},
      {"f2", 2, {0x3c00, 0x8001, 0xfc00}, {1, -0x1p-24, -INFINITY}},
      {"f2", 2, {0x7bff, 0x8000, 0x7e00}, {65504, -0.0, NAN}},
      {"f4", 4, {0x3dcccccd, 0x80000001, 0x7f800000}, {(double)0.1F, -0x1p-149, INFINITY}},
      {"f8", 8, {0x3fb999999999999a, 1, 0xfff0000000000000}, {0.1, 0x1p-1074, -INFINITY}},
  };
  for (size_t i = 0; i < COUNT(rows); i++)
    for (int big = 0; big < 2; big++) {
      unsigned char data[24];
      for (size_t k = 0; k < 3; k++)
        for (size_t b = 0; b < rows[i].size; b++)
          data[k * rows[i].size + (big ? rows[i].size - 1 - b : b)] =
              (unsigned char)(rows[i].bits[k] >> 8 * b);
      char type[8], header[200];
      snprintf(type, sizeof type, "'%c%s'", big ? '>' : '<', rows[i].type);
      assert_true(read_npy(w, make_header(header, type, "False", "(3,)"), data, 3 * rows[i].size));
      assert_tensor(w, "[3]", 3, rows[i].values);
    }
}

static void npy_reads_versions_1_to_3(void **state) {
  struct world *w = *state;
  char header[200];
  make_header(header, "'|u1'", "False", "(2, 2)");
  for (int version = 1; version <= 4; version++) {
    struct bytes npy = make_npy(version, header, "\1\2\3\4", 4);
    put(w, "a.npy", npy.at, npy.size);
    assert_int_equal(read_key(w, "a.npy", NULL), version <= 3);
    if (version <= 3) assert_tensor(w, "[2, 2]", 4, (double[]){1, 2, 3, 4});
  }
  assert_string_equal(said(w), "a.npy: version 4.0 of .npy is not known; 1, 2 and 3 are read");
}

static void npy_reads_headers_as_numpy_does(void **state) {
  struct world *w = *state;
  static const char *const headers[] = {
      "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}",
      "{\"shape\":(2L,),\"fortran_order\":True,\"descr\":\"|u1\",}\n",
      " {\n'shape' : ( 2 , ) , 'descr' : '>u1' ,\t'fortran_order' : False } \n"};
  for (size_t i = 0; i < COUNT(headers); i++) {
    assert_true(read_npy(w, headers[i], "\5\6", 2));
    assert_tensor(w, "[2]", 2, (double[]){5, 6});
  }
}

static void npy_reads_scalars_and_empty_arrays(void **state) {
  struct world *w = *state;
  char header[200];
  assert_true(read_npy(w, make_header(header, "'|i1'", "False", "()"), "\xff", 1));
  assert_tensor(w, "[]", 1, (double[]){-1});
  assert_true(
      read_npy(w, make_header(header, "'<f8'", "True", "(3, 0, 9000000000000000000)"), "", 0));
  assert_tensor(w, "[3, 0, 9000000000000000000]", 0, NULL);
}

/* Writes an array of u2 in Fortran order whose entries say where they belong, modulo 65536. */
static void put_fortran(const struct world *w, unsigned rank, const size_t *dims) {
  char shape[100] = "(", header[200];
  size_t count = 1;
  for (unsigned i = 0; i < rank; i++) {
    size_t used = strlen(shape);
    snprintf(shape + used, sizeof shape - used, "%zu,%s", dims[i], i + 1 < rank ? "" : ")");
    count *= dims[i];
  }
  struct bytes start = make_npy(1, make_header(header, "'<u2'", "True", shape), "", 0);
  unsigned char *all = malloc(start.size + 2 * count);
  assert_non_null(all);
  memcpy(all, start.at, start.size);
  for (size_t place = 0; place < count; place++) {
    size_t rest = place, target = 0, index[4];
    for (unsigned i = 0; i < rank; i++) {
      index[i] = rest % dims[i];
      rest /= dims[i];
    }
    for (unsigned i = 0; i < rank; i++) target = target * dims[i] + index[i];
    all[start.size + 2 * place] = (unsigned char)target;
    all[start.size + 2 * place + 1] = (unsigned char)(target >> 8);
  }
  put(w, "f.npy", all, start.size + 2 * count);
  free(all);
}

static void npy_transposes_fortran_order(void **state) {
  struct world *w = *state;
  /* Small ones, ones with axes of size 1, and ones that take several pieces or parts of a run. */
  static const struct {
    unsigned rank;
    size_t dims[4];
  } rows[] = {{2, {2, 3}},       {3, {2, 3, 4}},     {4, {2, 3, 4, 5}}, {2, {1, 7}},
              {4, {1, 3, 1, 2}}, {2, {300, 301}},    {2, {70000, 3}},   {2, {3, 70000}},
              {3, {40, 50, 60}}, {3, {65536, 1, 2}}, {3, {2, 65536, 2}}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_fortran(w, rows[i].rank, rows[i].dims);
    assert_true(read_key(w, "f.npy", NULL));
    size_t count = 1;
    for (unsigned k = 0; k < rows[i].rank; k++) count *= rows[i].dims[k];
    for (size_t k = 0; k < count; k++) assert_true(w->data.at[k] == (double)(k % 65536));
  }
}

static void npy_refuses_what_it_does_not_read(void **state) {
  struct world *w = *state;
  static const struct {
    const char *type, *said;
  } rows[] = {{"'<c16'", "complex numbers (<c16)"},
              {"'|O'", "Python objects (|O)"},
              {"'<U5'", "texts (<U5)"},
              {"'|S5'", "byte strings (|S5)"},
              {"'<f16'", "floats of this size (<f16)"},
              {"'|V2'", "raw bytes or records (|V2)"},
              {"'<M8[ns]'", "dates and times (<M8[ns])"},
              {"'<i3'", "integers of this size (<i3)"},
              {"'|f8'", "entries of an unknown kind (|f8)"},
              {"'f8'", "entries of an unknown kind (f8)"},
              {"''", "entries of an unknown kind ()"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    char header[200], wanted[300];
    assert_false(read_npy(w, make_header(header, rows[i].type, "False", "(1,)"), "12345678", 8));
    snprintf(wanted, sizeof wanted,
             "a.npy: it holds %s | booleans, integers and floats of up to 8 bytes are read; "
             "in Python: numpy.save(path, a.astype('f8'))",
             rows[i].said);
    assert_string_equal(said(w), wanted);
  }
  char header[200];
  assert_false(read_npy(w, make_header(header, "[('a', '<f8')]", "False", "(1,)"), "12345678", 8));
  assert_non_null(strstr(said(w), "it holds records of several fields ([('a', '<f8')]"));
}

static void npy_believes_no_header(void **state) {
  struct world *w = *state;
  static const struct {
    const char *header, *said;
  } rows[] = {
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}",
       "a.npy: its shape [5] of |u1 takes 5 bytes, but only 4 follow the header"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}",
       "a.npy: its shape [3] of |u1 takes 3 bytes, but 4 follow the header"
       " | a .npy file holds one array; several make a .npz"},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
       "a.npy: its shape [4611686018427387904, 4] has more entries than any file"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
       "a.npy: its shape [4294967296, 4294967296] has more entries than any file"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,)}",
       "a.npy: its shape [1000000000000] of |u1 takes 1000000000000 bytes, but only 4 follow the "
       "header"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
       "a.npy: its shape has a size beyond 63 bits"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (-4,)}",
       "a.npy: its shape has a negative size"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (4)}",
       "a.npy: its shape is a number, not a tuple"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,,2)}",
       "a.npy: its header is malformed: a size should be where it has \",2)}\""},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': 4}",
       "a.npy: its header is malformed: a shape in parentheses should be where it has \"4}\""},
      {"{'descr': '|u1', 'fortran_order': 0, 'shape': (4,)}",
       "a.npy: its header is malformed: True or False should be where it has "
       "\"0, 'shape': (4,)}\""},
      {"{'descr': '|u1', 'shape': (4,)}", "a.npy: its header lacks 'fortran_order'"},
      {"{'shape': (4,), 'shape': (4,)}", "a.npy: its header has 'shape' twice"},
      {"{'shape': (4,), 'order': 1}", "a.npy: its header has an unknown key 'order'"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)} + 1",
       "a.npy: its header goes on behind the dictionary"},
      {"{'descr': '|u1", "a.npy: its header is malformed: a type should be where it has \"'|u1\""},
      {"__import__('os')", "a.npy: its header is malformed: { should be where it has "
                           "\"__import__('os')\""},
      {"", "a.npy: its header ends where { should be"},
      {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
       "1,1,1,1,1,1,1,1,1,1,1,1,1,1,4)}",
       "a.npy: its shape has more than 32 axes"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    assert_false(read_npy(w, rows[i].header, "abcd", 4));
    assert_string_equal(said(w), rows[i].said);
  }
}

static void npy_may_end_anywhere(void **state) {
  struct world *w = *state;
  char header[200];
  make_header(header, "'<i2'", "False", "(2,)");
  for (int version = 1; version <= 2; version++) {
    struct bytes npy = make_npy(version, header, "\1\2\3\4", 4);
    for (size_t size = 0; size < npy.size; size++) {
      put(w, "a.npy", npy.at, size);
      assert_false(read_key(w, "a.npy", NULL));
    }
  }
  put(w, "a.npy", "PK\3\4 and so on", 12);
  assert_false(read_key(w, "a.npy", NULL));
  assert_string_equal(said(w), "a.npy: it does not start as .npy files do"
                               " | it looks like an archive: call it .npz");
}

static void npy_names_the_first_entry_that_is_no_double(void **state) {
  struct world *w = *state;
  char header[200];
  const unsigned char data[32] = {1, [8] = 2, [16] = 1, [22] = 0x20, [24] = 1, [30] = 0x40};
  assert_false(read_npy(w, make_header(header, "'<i8'", "False", "(2, 2)"), data, 32));
  assert_string_equal(said(w), "a.npy: entry [1, 0] is 9007199254740993, which no double equals");
  assert_false(read_npy(w, make_header(header, "'<i8'", "True", "(2, 2)"), data, 32));
  assert_string_equal(said(w), "a.npy: entry [0, 1] is 9007199254740993, which no double equals");
  const unsigned char negative[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf, 0xff};
  assert_false(read_npy(w, make_header(header, "'<i8'", "False", "()"), negative, 8));
  assert_string_equal(said(w), "a.npy: the entry is -9007199254740993, which no double equals");
  assert_false(read_npy(w, make_header(header, "'>u8'", "False", "(1,)"),
                        "\xff\xff\xff\xff\xff\xff\xff\xff", 8));
  assert_string_equal(said(w), "a.npy: entry [0] is 18446744073709551615, which no double equals");
  assert_false(read_npy(w, make_header(header, "'|b1'", "False", "(3,)"), "\0\1\2", 3));
  assert_string_equal(said(w), "a.npy: entry [2] is the byte 2; a boolean is 0 or 1");
}

static void npy_asks_for_no_more_memory_than_there_is(void **state) {
  struct world *w = *state;
  char header[200];
  struct bytes npy = make_npy(1, make_header(header, "'|u1'", "False", "(1099511627776,)"), "", 0);
  put(w, "a.npy", npy.at, npy.size);
  char path[256];
  snprintf(path, sizeof path, "%s/a.npy", w->folder);
  if (truncate(path, (off_t)npy.size + ((off_t)1 << 40))) skip(); /* no such files here */
  assert_false(read_key(w, "a.npy", NULL));
  assert_string_equal(said(w), "1099511627776 entries do not fit into memory");
}

/* ---- .npz ------------------------------------------------------------------------------------ */

static uint32_t checksum(const unsigned char *bytes, size_t size) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
  }
  return ~crc;
}

struct member {
  const char *name;
  struct bytes content;
  unsigned method, flags;
  uint32_t claimed; /* size when unpacked; 0: the truth */
  bool damaged;
};

/* Deflated without compression: a final block of raw bytes. */
static struct bytes pack(const struct member *member) {
  struct bytes packed = {.size = 0};
  if (member->method == 8) {
    add(&packed, "\1", 1);
    add_number(&packed, member->content.size, 2);
    add_number(&packed, ~(uint64_t)member->content.size, 2);
  }
  add(&packed, member->content.at, member->content.size);
  if (member->damaged) packed.at[packed.size - 1] ^= 1;
  return packed;
}

/* What the header of a member and its entry in the directory have in common. */
static void add_facts(struct bytes *zip, const struct member *member, size_t packed) {
  add_number(zip, 20, 2);
  add_number(zip, member->flags, 2);
  add_number(zip, member->method, 2);
  add_number(zip, 0x00210000, 4); /* 1980-01-01 */
  add_number(zip, checksum(member->content.at, member->content.size), 4);
  add_number(zip, packed, 4);
  add_number(zip, member->claimed ? member->claimed : member->content.size, 4);
  add_number(zip, strlen(member->name), 2);
}

static struct bytes make_zip(size_t count, const struct member *members) {
  struct bytes zip = {.size = 0}, directory = {.size = 0};
  for (size_t i = 0; i < count; i++) {
    size_t start = zip.size;
    struct bytes packed = pack(&members[i]);
    add(&zip, "PK\3\4", 4);
    add_facts(&zip, &members[i], packed.size);
    add_number(&zip, 0, 2);
    add(&zip, members[i].name, strlen(members[i].name));
    add(&zip, packed.at, packed.size);
    add(&directory, "PK\1\2\24\0", 6);
    add_facts(&directory, &members[i], packed.size);
    add_number(&directory, 0, 12);
    add_number(&directory, start, 4);
    add(&directory, members[i].name, strlen(members[i].name));
  }
  size_t start = zip.size;
  add(&zip, directory.at, directory.size);
  add(&zip, "PK\5\6\0\0\0\0", 8);
  add_number(&zip, count, 2);
  add_number(&zip, count, 2);
  add_number(&zip, directory.size, 4);
  add_number(&zip, start, 4);
  add_number(&zip, 0, 2);
  return zip;
}

/* An array of three bytes. */
static struct bytes three(const char *entries) {
  return make_npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", entries, 3);
}

static bool read_npz(struct world *w, size_t count, const struct member *members, const char *key) {
  struct bytes zip = make_zip(count, members);
  put(w, "m.npz", zip.at, zip.size);
  return read_key(w, "m.npz", key);
}

static void npz_reads_the_array_that_the_key_names(void **state) {
  struct world *w = *state;
  const struct member members[] = {
      {.name = "W.npy", .content = three("\1\2\3")},
      {.name = "notes.txt", .content = three("\0\0\0")},
      {.name = "layer/b.npy", .content = three("\4\5\6"), .method = 8}};
  static const char *const keys[] = {"W", "W.npy", "layer/b", "layer/b.npy"};
  for (size_t i = 0; i < COUNT(keys); i++) {
    assert_true(read_npz(w, 3, members, keys[i]));
    assert_tensor(w, "[3]", 3, i < 2 ? (double[]){1, 2, 3} : (double[]){4, 5, 6});
  }
}

static void npz_needs_no_key_for_its_only_array(void **state) {
  struct world *w = *state;
  const struct member members[] = {{.name = "a.txt", .content = three("\1\2\3")},
                                   {.name = "arr_0.npy", .content = three("\1\2\3")},
                                   {.name = "arr_1.npy", .content = three("\1\2\3")}};
  assert_true(read_npz(w, 2, members, NULL));
  assert_tensor(w, "[3]", 3, (double[]){1, 2, 3});
  assert_false(read_npz(w, 3, members, NULL));
  assert_string_equal(said(w), "m.npz: it has 2 arrays: arr_0, arr_1 | pick one with `key: arr_0`");
  assert_false(read_npz(w, 3, members, "arr1"));
  assert_string_equal(said(w), "m.npz: it has no array 'arr1'; it has: arr_0, arr_1"
                               " | did you mean 'arr_1'?");
  assert_false(read_npz(w, 1, members, NULL));
  assert_string_equal(said(w), "m.npz: it has no arrays (members that end in .npy)");
  assert_false(read_npz(w, 0, members, NULL));
}

static void npz_lists_ten_names_at_most(void **state) {
  struct world *w = *state;
  struct member members[12];
  char names[12][8];
  for (size_t i = 0; i < COUNT(members); i++) {
    snprintf(names[i], sizeof names[i], "k%zu.npy", i);
    members[i] = (struct member){.name = names[i], .content = three("\1\2\3")};
  }
  assert_false(read_npz(w, COUNT(members), members, "other"));
  assert_string_equal(said(w), "m.npz: it has no array 'other'; it has: k0, k1, k2, k3, k4, k5, "
                               "k6, k7, k8, k9 and 2 more");
}

static void npz_refuses_dishonest_members(void **state) {
  struct world *w = *state;
  const struct bytes good = three("\1\2\3");
  const struct {
    struct member member;
    const char *said;
  } rows[] = {
      {{.flags = 1}, "m.npz, array a: it is encrypted"},
      {{.method = 12},
       "m.npz, array a: it is compressed by method 12; stored and deflated members "
       "are read"},
      {{.damaged = true}, "m.npz, array a: it is damaged: its checksum is wrong"},
      {{.method = 8, .damaged = true}, "m.npz, array a: it is damaged: its checksum is wrong"},
      {{.claimed = 1000}, "m.npz, array a: it claims 1000 bytes, which its 71 cannot hold"},
      {{.claimed = 1000000, .method = 8},
       "m.npz, array a: it claims 1000000 bytes, which its 76 cannot hold"},
      {{.claimed = 10000, .method = 8},
       "m.npz, array a: its shape [3] of |u1 takes 3 bytes, but 9932 follow the header"
       " | a .npy file holds one array; several make a .npz"},
      {{.claimed = 70, .method = 8},
       "m.npz, array a: its shape [3] of |u1 takes 3 bytes, but only 2 follow the header"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct member member = rows[i].member;
    member.name = "a.npy";
    member.content = good;
    assert_false(read_npz(w, 1, &member, NULL));
    assert_string_equal(said(w), rows[i].said);
  }
  const struct member twice[] = {{.name = "a.npy", .content = good},
                                 {.name = "a.npy", .content = good}};
  assert_false(read_npz(w, 2, twice, "a"));
  assert_string_equal(said(w), "m.npz: it has 'a' 2 times");
}

static void npz_notices_members_that_unpack_to_less(void **state) {
  struct world *w = *state;
  struct member member = {.name = "a.npy", .method = 8, .claimed = 1068};
  member.content =
      make_npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1000,), }\n", "", 0);
  member.claimed = (uint32_t)member.content.size + 1000;
  assert_false(read_npz(w, 1, &member, NULL));
  assert_string_equal(said(w), "m.npz, array a: it is cut off or damaged");
}

static void npz_may_be_cut_or_changed_anywhere(void **state) {
  struct world *w = *state;
  const struct member members[] = {{.name = "a.npy", .content = three("\1\2\3")},
                                   {.name = "b.npy", .content = three("\4\5\6"), .method = 8}};
  struct bytes zip = make_zip(2, members);
  for (size_t size = 0; size < zip.size; size++) {
    put(w, "m.npz", zip.at, size);
    if (read_key(w, "m.npz", "b")) assert_tensor(w, "[3]", 3, (double[]){4, 5, 6});
  }
  for (size_t i = 0; i < zip.size; i++) {
    zip.at[i] ^= 0xff;
    put(w, "m.npz", zip.at, zip.size);
    if (read_key(w, "m.npz", "b")) assert_tensor(w, "[3]", 3, (double[]){4, 5, 6});
    zip.at[i] ^= 0xff;
  }
}

/* ---- .csv ------------------------------------------------------------------------------------ */

static void csv_reads_tables(void **state) {
  struct world *w = *state;
  static const struct {
    const char *text, *dims;
    double values[9];
  } rows[] = {{"1,2\n3,4", "[2, 2]", {1, 2, 3, 4}},
              {"1,2\n3,4\n", "[2, 2]", {1, 2, 3, 4}},
              {"1,2\r\n3,4\r\n", "[2, 2]", {1, 2, 3, 4}},
              {"1,2\r3,4\r", "[2, 2]", {1, 2, 3, 4}},
              {"\xef\xbb\xbf"
               "1,2\n3,4\n\n \t\n",
               "[2, 2]",
               {1, 2, 3, 4}},
              {" 1 ,\t-2.5e1\n", "[1, 2]", {1, -25}},
              {"1\n2\n3\n", "[3, 1]", {1, 2, 3}},
              {"7", "[1, 1]", {7}},
              {"x,y\n1,2\n", "[1, 2]", {1, 2}},
              {",y\n1,2\n", "[1, 2]", {1, 2}},
              {"\"a, \"\"b\"\"\",c\n\"1.5\", \"2\" \n", "[1, 2]", {1.5, 2}},
              {"# made by hand\n1,2\n", "[1, 2]", {1, 2}},
              {"# x, y\n1,2\n", "[1, 2]", {1, 2}},
              {"nan,inf,-inf\n", "[1, 3]", {NAN, INFINITY, -INFINITY}},
              {".nan,.inf,-.inf\n", "[1, 3]", {NAN, INFINITY, -INFINITY}},
              {"NaN,Infinity,-Infinity\n", "[1, 3]", {NAN, INFINITY, -INFINITY}},
              {"0x10,0o17,+1,.5,5.,1e-400\n", "[1, 6]", {16, 15, 1, 0.5, 5, 0}}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_text(w, "t.csv", rows[i].text);
    assert_true(read_key(w, "t.csv", NULL));
    size_t count = (size_t)(w->data.dims.at[0] * w->data.dims.at[1]);
    assert_tensor(w, rows[i].dims, count, rows[i].values);
  }
}

static void csv_marks_each_fault_in_the_file(void **state) {
  struct world *w = *state;
  static const struct {
    const char *text, *said;
  } rows[] = {
      {"", "t.csv: it has no numbers"},
      {"\n \n", "t.csv: it has no numbers"},
      {"a,b\n", "t.csv: it has a header, but no numbers below it"},
      {"1,2\n3\n4,5,6\n",
       "2:1: this line has 1 cell, the first one 2\n3:1: this line has 3 cells, the first one 2"},
      {"a,b,c\n1,2\n", "2:1: this line has 2 cells, the header 3"},
      {"1,abc\n\xc3\xa9,\xce\xbb\n", "1:3: 'abc' is not a number\n2:1: '\xc3\xa9' is not a number\n"
                                     "2:3: '\xce\xbb' is not a number"},
      {"1,,2\n3,4,\n", "1:3: an empty cell is not a number\n2:5: an empty cell is not a number"},
      {"1,2\n\n3,4\n", "2:1: a blank line has lines of numbers below it"},
      {"1;2\n3;4\n",
       "1:1: '1;2' is not a number | cells are separated by commas, not by semicolons\n"
       "2:1: '3;4' is not a number | cells are separated by commas, not by semicolons"},
      {"1\t2\n", "1:1: '1 2' is not a number | cells are separated by commas, not by tabs"},
      {"1 -2\n", "1:1: '1 -2' is not a number | cells are separated by commas, not by spaces"},
      {"1,1e400\n", "1:3: 1e400 is beyond the range of a double"},
      {"1,\"2\n", "1:3: CSV: this quote is not closed on its line"},
      {"1,\"2\"3\n", "1:6: CSV: a comma should follow the quoted cell"},
      {"1,1_000\n", "1:3: '1_000' is not a number"},
      {"1,\xff\n", "1:3: '?' is not a number"},
      {"\xff\xfe"
       "1",
       "t.csv: it is UTF-16 text | save it as UTF-8"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_text(w, "t.csv", rows[i].text);
    assert_false(read_key(w, "t.csv", NULL));
    assert_string_equal(said(w), rows[i].said);
  }
  put(w, "t.csv", "1,2\0\n", 5);
  assert_false(read_key(w, "t.csv", NULL));
  assert_string_equal(said(w), "t.csv: it is not a text file");
}

static void csv_says_which_value_reads_it(void **state) {
  struct world *w = *state;
  put_text(w, "t.csv", "1,x\n");
  assert_false(read_key(w, "t.csv", NULL));
  assert_int_equal(w->report.messages.count, 2);
  const struct message *note = &w->report.messages.at[1];
  assert_int_equal(note->severity, SEVERITY_NOTE);
  assert_string_equal(note->text, "this value reads it");
  assert_int_equal(note->mark.start, source_mark(w->net, w->net->bytes + 6, 1).start);
}

static void csv_stops_after_twenty_faults(void **state) {
  struct world *w = *state;
  char text[200];
  for (size_t i = 0; i < sizeof text; i++) text[i] = i < 2 ? "1\n"[i] : "x\n"[i % 2];
  put(w, "t.csv", text, sizeof text);
  assert_false(read_key(w, "t.csv", NULL));
  assert_int_equal(w->report.counts[SEVERITY_ERROR], 20);
}

/* More than the window that a text passes by in. */
static void csv_reads_long_files(void **state) {
  struct world *w = *state;
  enum { ROWS = 60000 };
  char *text = malloc(32 * ROWS), *at = text;
  assert_non_null(text);
  for (int i = 0; i < ROWS; i++) at += sprintf(at, "%d,%d.25\r\n", i, -i);
  put(w, "t.csv", text, (size_t)(at - text));
  free(text);
  assert_true(read_key(w, "t.csv", NULL));
  assert_tensor(w, "[60000, 2]", 2, (double[]){0, 0.25});
  for (int i = 1; i < ROWS; i++) {
    assert_true(w->data.at[2 * i] == i);
    assert_true(w->data.at[2 * i + 1] == -i - 0.25);
  }
}

/* ---- .json ----------------------------------------------------------------------------------- */

static void json_reads_tensors(void **state) {
  struct world *w = *state;
  static const struct {
    const char *text, *key, *dims;
    double values[6];
  } rows[] = {
      {"1", NULL, "[]", {1}},
      {" -1.5e3\n", NULL, "[]", {-1500}},
      {"\xef\xbb\xbf[0, -0.0, 1E+2, 5e-324, 1e-400]", NULL, "[5]", {0, -0.0, 100, 5e-324, 0}},
      {"\"NaN\"", NULL, "[]", {NAN}},
      {"[\"Infinity\",\"-Infinity\"]", NULL, "[2]", {INFINITY, -INFINITY}},
      {"[]", NULL, "[0]", {0}},
      {"[[],[]]", NULL, "[2, 0]", {0}},
      {"[[1, 2, 3],\r\n\t[4, 5, 6]]", NULL, "[2, 3]", {1, 2, 3, 4, 5, 6}},
      {"[[[1],[2]],[[3],[4]]]", NULL, "[2, 2, 1]", {1, 2, 3, 4}},
      {"{\"b\": [5]}", "b", "[1]", {5}},
      {"{\"net\": \"\\u00e9\\n\\ud83d\\ude00\", \"x\": [{\"y\": [null, true, {}]}, []], "
       "\"gradients\": {\"b\": null, \"W\": [[7]]}, \"warnings\": [1e999999, \"\"]}",
       "gradients.W",
       "[1, 1]",
       {7}},
      {"{\"gradients\": {\"h\": {\"y\": 1}, \"h.z\": 2}}", "gradients.h.z", "[]", {2}},
      {"{\"gradients\": {\"h.y\": 1, \"h\": {\"z\": 2}}}", "gradients.h.z", "[]", {2}},
      {"{\"\\u0057\\u03bb\": 3}", "W\xce\xbb", "[]", {3}}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_text(w, "t.json", rows[i].text);
    if (strstr(rows[i].text, "1e999999")) { /* a fault even where it is not wanted */
      assert_false(read_key(w, "t.json", rows[i].key));
      continue;
    }
    assert_true(read_key(w, "t.json", rows[i].key));
    size_t count = 1;
    for (unsigned k = 0; k < w->data.dims.rank; k++) count *= (size_t)w->data.dims.at[k];
    assert_tensor(w, rows[i].dims, count, rows[i].values);
  }
}

static void json_marks_the_fault_in_the_file(void **state) {
  struct world *w = *state;
  static const struct {
    const char *text, *said;
  } rows[] = {
      {"", "1:1: JSON: the file ends where a number should be"},
      {"[1,\n 2", "2:3: JSON: the file ends where , or ] should be"},
      {"[1,\n 2,]", "2:4: JSON: a number should be where ']' is"},
      {"[1 2]", "1:4: JSON: , or ] should be where '2' is"},
      {"[1]]", "1:4: JSON: the end of the file should be where ']' is"},
      {"[[1, 2],\n [3]]", "2:2: this list has 1 entry, the ones before it 2"},
      {"[[1], [2, 3]]", "1:7: this list has 2 entries, the ones before it 1"},
      {"[1, [2]]", "1:5: a list is where numbers are in the lists before it"},
      {"[[1], 2]", "1:7: a number is where lists are in the lists before it"},
      {"[[[1]], []]", "1:9: this list has 0 entries, the ones before it 1"},
      {"[[], [1]]", "1:6: this list has 1 entry, the ones before it 0"},
      {"[oops]", "1:2: 'oops' is not a number"},
      {"[\"\xce\xbb\", 1]", "1:2: the text \"\xce\xbb\" is not a number"},
      {"[\"1\"]", "1:2: the text \"1\" is not a number"},
      {"[1e400]", "1:2: 1e400 is beyond the range of a double"},
      {"NaN", "1:1: 'NaN' is not a number | JSON has no NaN; write it as \"NaN\""},
      {"-Infinity", "1:1: '-Infinity' is not a number | JSON has no infinity; write it as "
                    "\"Infinity\" or \"-Infinity\""},
      {"null", "1:1: 'null' is not a number | null stands for a gradient that does not exist"},
      {"01", "1:1: '01' is not a number | JSON numbers have no +, no leading zeros, and digits on "
             "both sides of the dot"},
      {".5", "1:1: '.5' is not a number | JSON numbers have no +, no leading zeros, and digits on "
             "both sides of the dot"},
      {"{\"a\": 1}", "1:1: JSON: an object is no tensor; it has: a | pick a member with `key: a`"},
      {"{}", "1:1: JSON: an empty object is no tensor"},
      {"[{}]", "1:2: JSON: a number should be where '{' is"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_text(w, "t.json", rows[i].text);
    assert_false(read_key(w, "t.json", NULL));
    assert_string_equal(said(w), rows[i].said);
  }
}

static void json_says_where_a_key_goes_wrong(void **state) {
  struct world *w = *state;
  static const struct {
    const char *text, *key, *said;
  } rows[] = {
      {"{\"gradients\": {\"W\": 1, \"b\": 2}}", "gradients.w",
       "t.json: it has no 'gradients.w'; 'gradients' has: W, b | did you mean 'gradients.W'?"},
      {"{\"gradients\": {\"W\": 1}}", "gradient.W",
       "t.json: it has no 'gradient.W'; it has: gradients | did you mean 'gradients.W'?"},
      {"{\"gradients\": {\"W\": 1}}", "gradients",
       "1:15: JSON: an object is no tensor; it has: W | pick a member with `key: gradients.W`"},
      {"{}", "W", "t.json: it has no 'W'; it has: nothing"},
      {"[1]", "W", "t.json: it is no object: there is no member 'W' to pick"},
      {"{\"W\": 1, \"W\": 2}", "W", "1:15: JSON: 'W' is here a second time"},
      {"{\"h\": {\"z\": 1}, \"h.z\": 2}", "h.z", "1:24: JSON: 'h.z' is here a second time"},
      {"{\"W\": 1} 2", "W", "1:10: JSON: the end of the file should be where '2' is"},
      {"{\"a\": tru, \"W\": 1}", "W", "1:7: JSON: a value should be where 'tru' is"},
      {"{\"a\": 1,}", "W", "1:9: JSON: a name in quotes should be where '}' is"},
      {"{\"a\" 1}", "W", "1:6: JSON: : should be where '1' is"},
      {"{\"a\": \"\\q\"}", "W", "1:8: JSON: an unknown escape"},
      {"{\"a\": \"\\ud800\"}", "W", "1:8: JSON: half of a pair of \\u escapes"},
      {"{\"a\": \"\\u00zz\"}", "W", "1:12: JSON: a hexadecimal digit should be where 'zz' is"},
      {"{\"a\": \"x", "W", "1:9: JSON: the file ends where the end of a string should be"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    put_text(w, "t.json", rows[i].text);
    assert_false(read_key(w, "t.json", rows[i].key));
    assert_string_equal(said(w), rows[i].said);
  }
}

static void json_nests_32_axes_and_64_levels(void **state) {
  struct world *w = *state;
  char text[256];
  for (int depth = 32; depth <= 33; depth++) {
    memset(text, '[', (size_t)depth);
    text[depth] = '1';
    memset(text + depth + 1, ']', (size_t)depth);
    put(w, "t.json", text, 2 * (size_t)depth + 1);
    assert_int_equal(read_key(w, "t.json", NULL), depth == 32);
  }
  assert_string_equal(said(w), "1:33: more than 32 axes");
  for (int depth = 63; depth <= 64; depth++) {
    int size = sprintf(text, "{\"a\":");
    memset(text + size, '[', (size_t)depth);
    memset(text + size + depth, ']', (size_t)depth);
    size += 2 * depth;
    size += sprintf(text + size, ",\"W\":1}");
    put(w, "t.json", text, (size_t)size);
    assert_int_equal(read_key(w, "t.json", "W"), depth == 63);
  }
  assert_string_equal(said(w), "1:69: nested more than 64 levels deep");
}

static void json_reads_long_files(void **state) {
  struct world *w = *state;
  enum { ENTRIES = 100000 };
  char *text = malloc(16 * ENTRIES), *at = text;
  assert_non_null(text);
  at += sprintf(at, "{\"long \\u03bb\": \"");
  memset(at, 'x', 300000); /* a text longer than the window */
  at += 300000;
  at += sprintf(at, "\", \"W\": [[");
  for (int i = 0; i < ENTRIES; i++)
    at += sprintf(at, "%s%d.5", i == 0 ? "" : i % 2 ? ", " : "],\n[", i);
  at += sprintf(at, "]]}");
  put(w, "t.json", text, (size_t)(at - text));
  at[-3] = 'x'; /* and a fault at its end, far behind the first window */
  put(w, "u.json", text, (size_t)(at - text));
  free(text);
  assert_true(read_key(w, "t.json", "W"));
  assert_tensor(w, "[50000, 2]", 2, (double[]){0.5, 1.5});
  for (int i = 0; i < ENTRIES; i++) assert_true(w->data.at[i] == i + 0.5);
  assert_false(read_key(w, "u.json", "W"));
  assert_string_equal(said(w), "50000:11: '99999.5x' is not a number | JSON numbers have no +, no "
                               "leading zeros, and digits on both sides of the dot");
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void make_link(const struct world *w, const char *target, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", w->folder, name);
  assert_int_equal(symlink(target, path), 0);
}

static void files_stay_inside_of_the_root(void **state) {
  struct world *w = *state;
  char text[400], path[256];
  put_text(w, "../netting/x.csv", "1\n");
  put_text(w, "in.csv", "2\n");
  make_link(w, "in.csv", "good.csv");
  make_link(w, "../netting/x.csv", "bad.csv");
  make_link(w, "../netting", "folder");
  static const char *const outside[] = {"../netting/x.csv", "bad.csv", "folder/x.csv",
                                        "../net/../netting/x.csv"};
  for (size_t i = 0; i < COUNT(outside); i++) {
    assert_false(read_key(w, outside[i], NULL));
    snprintf(text, sizeof text,
             "'%s' is outside of the net's folder | --data-root FOLDER allows another folder",
             outside[i]);
    assert_string_equal(said(w), text);
    assert_true(read_from(w, w->top, outside[i], NULL));
    assert_true(read_from(w, "/", outside[i], NULL));
  }
  snprintf(path, sizeof path, "%s/in.csv", w->folder);
  const char *const inside[] = {"in.csv", "good.csv", "../net/in.csv", "./in.csv", path};
  for (size_t i = 0; i < COUNT(inside); i++) {
    assert_true(read_key(w, inside[i], NULL));
    assert_false(read_from(w, w->sibling, inside[i], NULL));
  }
}

static void only_regular_files_are_read(void **state) {
  struct world *w = *state;
  char path[256], text[400];
  snprintf(path, sizeof path, "%s/pipe.csv", w->folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_false(read_key(w, "pipe.csv", NULL)); /* and nothing waits for a writer */
  assert_string_equal(said(w), "cannot read: pipe.csv: it is no regular file");
  snprintf(path, sizeof path, "%s/folder.csv", w->folder);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_false(read_key(w, "folder.csv", NULL));
  assert_string_equal(said(w), "cannot read: folder.csv: it is a folder");
  assert_false(read_from(w, "/", "/dev/null.csv", NULL));
  assert_false(read_key(w, "none.csv", NULL));
  snprintf(text, sizeof text,
           "cannot read: none.csv: No such file or directory | it was looked for in %s", w->folder);
  assert_string_equal(said(w), text);
}

static void the_ending_says_how_a_file_is_read(void **state) {
  struct world *w = *state;
  put_text(w, "T.CSV", "1,2\n");
  assert_true(read_key(w, "T.CSV", NULL));
  static const char *const unknown[] = {"x.txt", "x", ".npy", "", "x.npy.gz"};
  for (size_t i = 0; i < COUNT(unknown); i++) {
    assert_false(read_key(w, unknown[i], NULL));
    assert_non_null(strstr(said(w), ": its name has no ending that is read | .npy, .npz, .csv and "
                                    ".json are read"));
  }
  assert_false(read_key(w, "T.CSV", "x"));
  assert_string_equal(said(w), "T.CSV: a .csv file has no keys | `key` picks an array of a .npz or "
                               "a member of a .json file");
}

static size_t count_open_files(void) {
  size_t count = 0;
  for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

/* On no way out, and the arena's guard is the caller's again. */
static void no_file_stays_open(void **state) {
  struct world *w = *state;
  size_t before = count_open_files();
  const struct member members[] = {{.name = "a.npy", .content = three("\1\2\3"), .damaged = true}};
  assert_false(read_npz(w, 1, members, NULL));
  put_text(w, "t.csv", "x,\"\n");
  assert_false(read_key(w, "t.csv", NULL));
  put_text(w, "t.json", "[1");
  assert_false(read_key(w, "t.json", NULL));
  put_text(w, "t.json", "[1]");
  assert_true(read_key(w, "t.json", NULL));
  assert_int_equal(count_open_files(), before);
  assert_ptr_equal(w->arena.guard, &w->guard);
}

/* ---- generators ------------------------------------------------------------------------------ */

static void generators_give_the_same_numbers_everywhere(void **state) {
  (void)state;
  static const double uniform[] = {0.32457526803140668, 0.38223929651167343, 0.35961720764735527};
  static const double normal[] = {-0.29911587974537968, -1.3088217529901385, -1.6296205633504715};
  double at[3];
  data_uniform(at, 3, 0, 0, 1);
  for (int i = 0; i < 3; i++) assert_true(at[i] == uniform[i]);
  data_uniform(at, 3, 0, -1, 3);
  for (int i = 0; i < 3; i++) assert_true(at[i] == -1 + 4 * uniform[i]);
  data_normal(at, 3, 0, 0, 1);
  for (int i = 0; i < 3; i++) assert_true(at[i] == normal[i]);
  data_normal(at, 3, 0, 10, 0.5);
  for (int i = 0; i < 3; i++) assert_true(at[i] == 10 + 0.5 * normal[i]);
}

static void uniforms_stay_below_their_end(void **state) {
  (void)state;
  double at[1000];
  data_uniform(at, 1000, 3, 1, nextafter(1, 2));
  for (int i = 0; i < 1000; i++) assert_true(at[i] == 1);
  data_uniform(at, 1000, 3, -1.7e308, 1.7e308); /* the span is no double */
  for (int i = 0; i < 1000; i++) assert_true(at[i] >= -1.7e308 && at[i] < 1.7e308);
  data_uniform(at, 1, 3, 5, 5);
  assert_true(at[0] == 5);
  data_uniform(NULL, 0, 3, 0, 1);
}

/* The first four moments of a million numbers, within five standard errors. */
static void numbers_are_distributed_as_promised(void **state) {
  (void)state;
  enum { N = 1000000 };
  double *at = malloc(N * sizeof *at), sum[5] = {0};
  assert_non_null(at);
  data_normal(at, N, 42, 0, 1);
  for (int i = 0; i < N; i++)
    for (int k = 1; k <= 4; k++) sum[k] += pow(at[i], k) / N;
  assert_true(fabs(sum[1]) < 5e-3 && fabs(sum[2] - 1) < 7.1e-3);
  assert_true(fabs(sum[3]) < 1.95e-2 && fabs(sum[4] - 3) < 4.9e-2);
  data_uniform(at, N, 42, 0, 1);
  double mean = 0, square = 0;
  for (int i = 0; i < N; i++) mean += at[i] / N, square += at[i] * at[i] / N;
  assert_true(fabs(mean - 0.5) < 1.5e-3 && fabs(square - 1.0 / 3) < 1.5e-3);
  free(at);
}

static void seeds_are_fnv_1a(void **state) {
  (void)state;
  assert_true(data_seed("", 0) == 0xcbf29ce484222325U);
  assert_true(data_seed("a", 1) == 0xaf63dc4c8601ec8cU);
  assert_true(data_seed("foobar", 6) == 0x85944171f73967e8U);
}

int main(void) {
#define FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      FILES(npy_reads_every_type_in_both_byte_orders),
      FILES(npy_reads_versions_1_to_3),
      FILES(npy_reads_headers_as_numpy_does),
      FILES(npy_reads_scalars_and_empty_arrays),
      FILES(npy_transposes_fortran_order),
      FILES(npy_refuses_what_it_does_not_read),
      FILES(npy_believes_no_header),
      FILES(npy_may_end_anywhere),
      FILES(npy_names_the_first_entry_that_is_no_double),
      FILES(npy_asks_for_no_more_memory_than_there_is),
      FILES(npz_reads_the_array_that_the_key_names),
      FILES(npz_needs_no_key_for_its_only_array),
      FILES(npz_lists_ten_names_at_most),
      FILES(npz_refuses_dishonest_members),
      FILES(npz_notices_members_that_unpack_to_less),
      FILES(npz_may_be_cut_or_changed_anywhere),
      FILES(csv_reads_tables),
      FILES(csv_marks_each_fault_in_the_file),
      FILES(csv_says_which_value_reads_it),
      FILES(csv_stops_after_twenty_faults),
      FILES(csv_reads_long_files),
      FILES(json_reads_tensors),
      FILES(json_marks_the_fault_in_the_file),
      FILES(json_says_where_a_key_goes_wrong),
      FILES(json_nests_32_axes_and_64_levels),
      FILES(json_reads_long_files),
      FILES(files_stay_inside_of_the_root),
      FILES(only_regular_files_are_read),
      FILES(the_ending_says_how_a_file_is_read),
      FILES(no_file_stays_open),
      cmocka_unit_test(generators_give_the_same_numbers_everywhere),
      cmocka_unit_test(uniforms_stay_below_their_end),
      cmocka_unit_test(numbers_are_distributed_as_promised),
      cmocka_unit_test(seeds_are_fnv_1a),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
