/* NumPy's .npy files, versions 1 to 3: six magic bytes, the version, the length of a header, the
 * header (a Python dictionary as text), and the entries as raw bytes. */
#include <inttypes.h>
#include <string.h>

#include "load/formats.h"

/* ---- entries --------------------------------------------------------------------------------- */

static bool host_is_big(void) {
  const uint16_t one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 0;
}

static inline uint8_t swap8(uint8_t x) { return x; }
static inline uint16_t swap16(uint16_t x) { return (uint16_t)(x << 8 | x >> 8); }
static inline uint32_t swap32(uint32_t x) {
  return (uint32_t)swap16((uint16_t)x) << 16 | swap16((uint16_t)(x >> 16));
}
static inline uint64_t swap64(uint64_t x) {
  return (uint64_t)swap32((uint32_t)x) << 32 | swap32((uint32_t)(x >> 32));
}

static inline double as_double(uint64_t bits) {
  double number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

static inline double single(uint32_t bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return (double)number;
}

/* Half precision: a sign, 5 bits of exponent, 10 of fraction. */
static inline double half(uint16_t bits) {
  uint64_t sign = (uint64_t)(bits & 0x8000) << 48, exponent = bits >> 10 & 31, rest = bits & 1023;
  if (exponent == 0) { /* zero, or too small to have a leading 1 */
    double number = (double)rest * 0x1p-24;
    return sign ? -number : number;
  }
  uint64_t wide = exponent == 31 ? 2047 : exponent + 1008;
  return as_double(sign | wide << 52 | rest << 42);
}

/* Whether an integer is a double: it has 53 significant bits at most. */
static inline bool is_exact(uint64_t size) {
  const uint64_t most = (uint64_t)1 << 53;
  return size <= most || size / (size & (~size + 1)) < most;
}
static inline uint64_t magnitude(uint64_t x) { return x >> 63 ? ~x + 1 : x; }

/* The kinds of entries that are read: the letters in the header, the bits, the number that an
 * entry x is, and which entries are right. */
#define ELEMENTS(ROW)                                                                              \
  ROW(b1, 8, x, x <= 1)                                                                            \
  ROW(i1, 8, (int8_t)x, true)                                                                      \
  ROW(i2, 16, (int16_t)x, true)                                                                    \
  ROW(i4, 32, (int32_t)x, true)                                                                    \
  ROW(i8, 64, (double)(int64_t)x, is_exact(magnitude(x)))                                          \
  ROW(u1, 8, x, true)                                                                              \
  ROW(u2, 16, x, true)                                                                             \
  ROW(u4, 32, x, true)                                                                             \
  ROW(u8, 64, (double)x, is_exact(x))                                                              \
  ROW(f2, 16, half(x), true)                                                                       \
  ROW(f4, 32, single(x), true)                                                                     \
  ROW(f8, 64, as_double(x), true)

/* Each turns `count` entries into numbers; returns how many were right before the first wrong
 * one. */
#define CONVERTER(name, bits, number, right)                                                       \
  static size_t convert_##name(const unsigned char *restrict from, size_t count, bool swap,        \
                               double *restrict to) {                                              \
    for (size_t i = 0; i < count; i++) {                                                           \
      uint##bits##_t x;                                                                            \
      memcpy(&x, from + i * sizeof x, sizeof x);                                                   \
      if (swap) x = swap##bits(x);                                                                 \
      if (!(right)) return i;                                                                      \
      to[i] = number;                                                                              \
    }                                                                                              \
    return count;                                                                                  \
  }
ELEMENTS(CONVERTER)

static const struct element {
  char name[3];
  size_t size; /* in bytes */
  size_t (*convert)(const unsigned char *restrict from, size_t count, bool swap,
                    double *restrict to);
} elements[] = {
#define ELEMENT(name, bits, number, right) {#name, (bits) / 8, convert_##name},
    ELEMENTS(ELEMENT)};

/* What else NumPy writes, by the first letter. */
static const struct {
  char letter;
  const char *what;
} others[] = {{'c', "complex numbers"},
              {'O', "Python objects"},
              {'S', "byte strings"},
              {'a', "byte strings"},
              {'U', "texts"},
              {'V', "raw bytes or records"},
              {'M', "dates and times"},
              {'m', "time spans"},
              {'f', "floats of this size"},
              {'i', "integers of this size"},
              {'u', "integers of this size"}};

/* ---- the header ------------------------------------------------------------------------------ */

struct npy {
  const struct data_file *file;
  const struct npy_bytes *bytes;
  const struct element *element;
  bool swap;    /* the other byte order than this machine's */
  bool fortran; /* the first axis varies fastest */
  struct dims dims;
  uint64_t count;       /* of entries */
  const char *type;     /* as the header writes it */
  const char *at, *end; /* what is left of the header */
};

static void skip_space(struct npy *npy) {
  while (npy->at < npy->end && memchr(" \t\r\n", *npy->at, 4)) npy->at++;
}

static bool take(struct npy *npy, const char *token) {
  skip_space(npy);
  size_t size = strlen(token);
  if ((size_t)(npy->end - npy->at) < size || memcmp(npy->at, token, size) != 0) return false;
  npy->at += size;
  return true;
}

static bool expect(struct npy *npy, const char *what, bool found) {
  if (found) return true;
  size_t left = (size_t)(npy->end - npy->at);
  if (left)
    data_fault(npy->file, "its header is malformed: %s should be where it has \"%s\"", what,
               data_quote(npy->file, npy->at, left < 20 ? left : 20));
  else
    data_fault(npy->file, "its header ends where %s should be", what);
  return false;
}

/* A quoted text without escapes, as all keys and types are. */
static bool take_text(struct npy *npy, const char **text, size_t *size) {
  skip_space(npy);
  if (npy->at == npy->end || (*npy->at != '\'' && *npy->at != '"')) return false;
  const char *from = npy->at + 1, *to = memchr(from, *npy->at, (size_t)(npy->end - from));
  if (!to || memchr(from, '\\', (size_t)(to - from))) return false;
  *text = from;
  *size = (size_t)(to - from);
  npy->at = to + 1;
  return true;
}

static bool refuse_type(const struct npy *npy, const char *what) {
  data_fault(npy->file, "it holds %s (%s)", what, npy->type);
  report_hint(npy->file->request->report,
              "booleans, integers and floats of up to 8 bytes are read; in Python: "
              "numpy.save(path, a.astype('f8'))");
  return false;
}

static bool refuse_other_type(const struct npy *npy, char letter) {
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i].letter == letter) return refuse_type(npy, others[i].what);
  return refuse_type(npy, "entries of an unknown kind");
}

/* <f8, |b1, ... */
static bool read_type(struct npy *npy) {
  const char *text;
  size_t size;
  skip_space(npy);
  if (npy->at < npy->end && (*npy->at == '[' || *npy->at == '(')) {
    npy->type = data_quote(npy->file, npy->at, (size_t)(npy->end - npy->at));
    return refuse_type(npy, "records of several fields");
  }
  if (!expect(npy, "a type", take_text(npy, &text, &size))) return false;
  npy->type = data_quote(npy->file, text, size);
  if (size < 2 || !memchr("<>|", text[0], 3)) return refuse_other_type(npy, '?');
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
    if (size != 3 || memcmp(elements[i].name, text + 1, 2) != 0) continue;
    if (text[0] == '|' && elements[i].size > 1) break; /* in no byte order */
    npy->element = &elements[i];
    npy->swap = (text[0] == '>') != host_is_big();
    return true;
  }
  return refuse_other_type(npy, text[0] == '|' && text[1] == 'f' ? '?' : text[1]);
}

static bool read_order(struct npy *npy) {
  npy->fortran = take(npy, "True");
  return expect(npy, "True or False", npy->fortran || take(npy, "False"));
}

/* One size of the shape. */
static bool read_dim(struct npy *npy, int64_t *dim) {
  skip_space(npy);
  if (npy->at < npy->end && *npy->at == '-')
    return data_fault(npy->file, "its shape has a negative size");
  const char *from = npy->at;
  for (*dim = 0; npy->at < npy->end && *npy->at >= '0' && *npy->at <= '9'; npy->at++) {
    int digit = *npy->at - '0';
    if (*dim > (INT64_MAX - digit) / 10)
      return data_fault(npy->file, "its shape has a size beyond 63 bits");
    *dim = *dim * 10 + digit;
  }
  if (!expect(npy, "a size", npy->at > from)) return false;
  take(npy, "L"); /* as Python 2 wrote long integers */
  return true;
}

/* (), (3,), (3, 4) */
static bool read_shape(struct npy *npy) {
  if (!expect(npy, "a shape in parentheses", take(npy, "("))) return false;
  bool comma = true;
  while (!take(npy, ")")) {
    if (!expect(npy, ", or )", comma)) return false;
    if (npy->dims.rank == RANK_MOST)
      return data_fault(npy->file, "its shape has more than %d axes", RANK_MOST);
    if (!read_dim(npy, &npy->dims.at[npy->dims.rank])) return false;
    npy->dims.rank++;
    comma = take(npy, ",");
  }
  if (npy->dims.rank != 1 || comma) return true;
  return data_fault(npy->file, "its shape is a number, not a tuple");
}

static const struct {
  const char *name;
  bool (*read)(struct npy *npy);
} keys[] = {{"descr", read_type}, {"fortran_order", read_order}, {"shape", read_shape}};

enum { KEYS = sizeof keys / sizeof *keys };

/* One key and its value. */
static bool read_entry(struct npy *npy, bool seen[KEYS]) {
  const char *name;
  size_t size, key = 0;
  if (!expect(npy, "a key", take_text(npy, &name, &size))) return false;
  while (key < KEYS && (strlen(keys[key].name) != size || memcmp(keys[key].name, name, size) != 0))
    key++;
  if (key == KEYS)
    return data_fault(npy->file, "its header has an unknown key '%s'",
                      data_quote(npy->file, name, size));
  if (seen[key]) return data_fault(npy->file, "its header has '%s' twice", keys[key].name);
  seen[key] = true;
  return expect(npy, ":", take(npy, ":")) && keys[key].read(npy);
}

/* {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), } and blanks. */
static bool read_dictionary(struct npy *npy) {
  bool seen[KEYS] = {false}, comma = true;
  if (!expect(npy, "{", take(npy, "{"))) return false;
  while (!take(npy, "}")) {
    if (!expect(npy, ", or }", comma) || !read_entry(npy, seen)) return false;
    comma = take(npy, ",");
  }
  for (size_t i = 0; i < KEYS; i++)
    if (!seen[i]) return data_fault(npy->file, "its header lacks '%s'", keys[i].name);
  skip_space(npy);
  return npy->at == npy->end || data_fault(npy->file, "its header goes on behind the dictionary");
}

static bool fetch(const struct npy *npy, void *to, size_t size) {
  return npy->bytes->read(npy->bytes->user, to, size) == size ||
         data_fault(npy->file, "it is cut off or damaged");
}

enum { MAGIC = 6, START = 8, HEADER_MOST = 1 << 16 };

static bool refuse_magic(const struct npy *npy, const unsigned char *start) {
  data_fault(npy->file, "it does not start as .npy files do");
  if (!memcmp(start, "PK", 2))
    report_hint(npy->file->request->report, "it looks like an archive: call it .npz");
  return false;
}

/* Reads the magic bytes, the version and the length of the header. */
static bool read_start(const struct npy *npy, unsigned char start[START + 4], size_t *width) {
  if (npy->bytes->size < START + 2)
    return data_fault(npy->file, "with %" PRIu64 " bytes it is too short to be a .npy file",
                      npy->bytes->size);
  if (!fetch(npy, start, START)) return false;
  if (memcmp(start, "\x93NUMPY", MAGIC) != 0) return refuse_magic(npy, start);
  unsigned version = start[MAGIC], minor = start[MAGIC + 1];
  if (version < 1 || version > 3 || minor)
    return data_fault(npy->file, "version %u.%u of .npy is not known; 1, 2 and 3 are read", version,
                      minor);
  *width = version == 1 ? 2 : 4;
  return fetch(npy, start + START, *width);
}

/* Reads all that comes before the entries, and counts its bytes. */
static bool read_header(struct npy *npy, uint64_t *size) {
  unsigned char start[START + 4];
  size_t width = 0;
  uint64_t length = 0;
  if (!read_start(npy, start, &width)) return false;
  for (size_t i = width; i-- > 0;) length = length << 8 | start[START + i];
  *size = START + width + length;
  if (*size > npy->bytes->size) return data_fault(npy->file, "it ends inside of its header");
  if (length > HEADER_MOST)
    return data_fault(npy->file, "its header of %" PRIu64 " bytes is too long", length);
  char *header = arena_alloc(npy->file->request->report->arena, (size_t)length + 1);
  if (!fetch(npy, header, (size_t)length)) return false;
  npy->at = header;
  npy->end = header + length;
  return read_dictionary(npy);
}

/* ---- the sizes ------------------------------------------------------------------------------- */

static const char *show_dims(const struct npy *npy) {
  struct text text;
  text_init(&text, npy->file->request->report->arena, NULL, NULL);
  dims_print(&npy->dims, &text);
  return text_string(&text);
}

/* Counts the entries; false where their bytes could not be counted. */
static bool count_entries(struct npy *npy) {
  npy->count = 1;
  for (unsigned i = 0; i < npy->dims.rank; i++)
    if (npy->dims.at[i] == 0) npy->count = 0;
  for (unsigned i = 0; i < npy->dims.rank && npy->count; i++) {
    if (npy->count > UINT64_MAX / sizeof(double) / (uint64_t)npy->dims.at[i]) return false;
    npy->count *= (uint64_t)npy->dims.at[i];
  }
  return true;
}

/* Compares what the header claims with what there is. */
static bool check_size(struct npy *npy, uint64_t header) {
  uint64_t there = npy->bytes->size - header;
  if (!count_entries(npy))
    return data_fault(npy->file, "its shape %s has more entries than any file", show_dims(npy));
  uint64_t wanted = npy->count * npy->element->size;
  if (wanted == there) return true;
  data_fault(npy->file,
             "its shape %s of %s takes %" PRIu64 " bytes, but %s%" PRIu64 " follow the header",
             show_dims(npy), npy->type, wanted, there < wanted ? "only " : "", there);
  if (there > wanted)
    report_hint(npy->file->request->report, "a .npy file holds one array; several make a .npz");
  return false;
}

/* ---- reading the entries --------------------------------------------------------------------- */

enum { PIECE = 1 << 16 }; /* entries that are converted at once */

/* "entry [1, 2]", from the place in the file's own order. */
static const char *show_index(const struct npy *npy, uint64_t entry) {
  struct dims index = {.rank = npy->dims.rank};
  for (unsigned k = 0; k < index.rank; k++) {
    unsigned axis = npy->fortran ? k : index.rank - 1 - k;
    index.at[axis] = (int64_t)(entry % (uint64_t)npy->dims.at[axis]);
    entry /= (uint64_t)npy->dims.at[axis];
  }
  struct text text;
  text_init(&text, npy->file->request->report->arena, NULL, NULL);
  text_puts(&text, index.rank ? "entry " : "the entry");
  if (index.rank) dims_print(&index, &text);
  return text_string(&text);
}

static bool blame_entry(const struct npy *npy, uint64_t entry, const unsigned char *raw) {
  const char *index = show_index(npy, entry);
  if (npy->element->size == 1)
    return data_fault(npy->file, "%s is the byte %u; a boolean is 0 or 1", index, *raw);
  uint64_t x;
  memcpy(&x, raw, sizeof x);
  if (npy->swap) x = swap64(x);
  bool negative = npy->element->name[0] == 'i' && x >> 63;
  return data_fault(npy->file, "%s is %s%" PRIu64 ", which no double equals", index,
                    negative ? "-" : "", negative ? magnitude(x) : x);
}

/* Reads entries [first, first + count) as they follow each other in the file. */
static bool read_piece(const struct npy *npy, uint64_t first, size_t count, unsigned char *raw,
                       double *to) {
  if (!fetch(npy, raw, count * npy->element->size)) return false;
  size_t right = npy->element->convert(raw, count, npy->swap, to);
  return right == count || blame_entry(npy, first + right, raw + right * npy->element->size);
}

static bool read_in_order(const struct npy *npy, unsigned char *raw, double *to) {
  for (uint64_t done = 0; done < npy->count;) {
    uint64_t left = npy->count - done;
    size_t count = left < PIECE ? (size_t)left : PIECE;
    if (!read_piece(npy, done, count, raw, to + done)) return false;
    done += count;
  }
  return true;
}

/* In Fortran order the file is a sequence of runs along the first axis.  `offset` is where the
 * next run starts in the tensor. */
struct runs {
  unsigned rank;
  size_t dim[RANK_MOST], stride[RANK_MOST], index[RANK_MOST];
  size_t offset;
};

/* Axes of size 1 are left out: they would make runs of one entry. */
static struct runs plan_runs(const struct dims *dims) {
  struct runs runs = {.dim = {1}};
  for (unsigned i = 0; i < dims->rank; i++)
    if (dims->at[i] != 1) runs.dim[runs.rank++] = (size_t)dims->at[i];
  size_t stride = 1;
  for (unsigned i = runs.rank; i-- > 0;) {
    runs.stride[i] = stride;
    stride *= runs.dim[i];
  }
  return runs;
}

static void next_run(struct runs *runs) {
  for (unsigned i = 1; i < runs->rank; i++) {
    runs->offset += runs->stride[i];
    if (++runs->index[i] < runs->dim[i]) return;
    runs->offset -= runs->stride[i] * runs->dim[i];
    runs->index[i] = 0;
  }
}

/* Puts `count` runs of `length` entries, from `start` of the first axis on, into their places.  The
 * inner loop crosses the runs, since neighbours in the last axis are neighbours in memory. */
static void place_runs(struct runs *runs, size_t start, size_t length, size_t count,
                       const double *from, size_t *offsets, double *to) {
  for (size_t run = 0; run < count; run++) {
    offsets[run] = runs->offset;
    if (start + length == runs->dim[0]) next_run(runs);
  }
  for (size_t i = 0; i < length; i++) {
    double *row = to + (start + i) * runs->stride[0];
    for (size_t run = 0; run < count; run++) row[offsets[run]] = from[run * length + i];
  }
}

/* Reads whole runs, as many as fit into a piece, or pieces of one run. */
static bool read_transposed(const struct npy *npy, unsigned char *raw, double *to) {
  struct arena *arena = npy->file->request->arena;
  double *numbers = arena_resize(arena, NULL, PIECE * sizeof *numbers);
  size_t *offsets = arena_resize(arena, NULL, PIECE * sizeof *offsets);
  struct runs runs = plan_runs(&npy->dims);
  bool good = true;
  for (uint64_t done = 0; done < npy->count && good;) {
    size_t start = (size_t)(done % runs.dim[0]), length = runs.dim[0] - start, count = 1;
    if (length > PIECE) length = PIECE;
    if (length == runs.dim[0]) count = PIECE / length;
    if (count > (npy->count - done) / length) count = (size_t)((npy->count - done) / length);
    good = read_piece(npy, done, length * count, raw, numbers);
    if (good) place_runs(&runs, start, length, count, numbers, offsets, to);
    done += length * count;
  }
  arena_release(arena, offsets);
  arena_release(arena, numbers);
  return good;
}

/* With two axes longer than 1 the order of the axes matters. */
static bool is_transposed(const struct npy *npy) {
  unsigned axes = 0;
  for (unsigned i = 0; i < npy->dims.rank; i++) axes += npy->dims.at[i] > 1;
  return npy->fortran && axes > 1;
}

static bool read_entries(const struct npy *npy, double *to) {
  bool plain = npy->element->convert == convert_f8 && !npy->swap;
  if (plain && !is_transposed(npy)) return fetch(npy, to, (size_t)npy->count * sizeof *to);
  struct arena *arena = npy->file->request->arena;
  unsigned char *raw = arena_resize(arena, NULL, PIECE * npy->element->size);
  bool good = is_transposed(npy) ? read_transposed(npy, raw, to) : read_in_order(npy, raw, to);
  arena_release(arena, raw);
  return good;
}

bool npy_read(const struct data_file *file, const struct npy_bytes *bytes, struct data *out) {
  struct npy npy = {.file = file, .bytes = bytes, .element = elements};
  uint64_t header = 0;
  if (!read_header(&npy, &header) || !check_size(&npy, header)) return false;
  double *at = data_room(file, npy.count);
  if (!at || !read_entries(&npy, at)) return false;
  bool rough = npy.element->name[0] == 'f' && npy.element->size < sizeof(double);
  *out = (struct data){.dims = npy.dims, .at = at, .rough = rough};
  return true;
}

static size_t read_stream(void *user, void *to, size_t size) { return fread(to, 1, size, user); }

bool npy_read_file(struct data_file *file, struct data *out) {
  struct npy_bytes bytes = {.read = read_stream, .user = file->stream, .size = file->size};
  return npy_read(file, &bytes, out);
}
