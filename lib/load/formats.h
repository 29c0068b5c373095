/* What the readers of data files share.  Only data.c and the readers themselves include it.
 *
 * A reader is one function of the table in data.c.  It gets a file that is open and is regular,
 * and fills in a tensor, or reports and returns false.  It never closes anything: data.c does, on
 * every way out, also when memory runs out on the way. */
#ifndef BPGRAPH_LOAD_FORMATS_H
#define BPGRAPH_LOAD_FORMATS_H

#include <stdio.h>

#include "load/data.h"

/* A data file while it is read. */
struct data_file {
  const struct data_request *request;
  const char *name;   /* as messages call it: the path, or an array of it */
  const char *opened; /* the path that the user could open from where the program runs */
  FILE *stream;
  uint64_t size;                 /* in bytes, when it was opened */
  void *archive;                 /* what a library holds open on top of the stream, or NULL */
  void (*close_archive)(void *); /* gives it back */
  data_each_fn *each;            /* of data_read_each; with its user */
  void *each_user;
};

bool npy_read_file(struct data_file *file, struct data *out);
bool npz_read_file(struct data_file *file, struct data *out);
bool csv_read_file(struct data_file *file, struct data *out);
bool json_read_file(struct data_file *file, struct data *out);

/* These hand all arrays of a file to file->each. */
bool npz_read_each(struct data_file *file);
bool json_read_each(struct data_file *file);

/* ---- the bytes of a .npy, which may lie in an archive ---------------------------------------- */

struct npy_bytes {
  /* Reads `size` bytes; fewer only where they end or cannot be read. */
  size_t (*read)(void *user, void *to, size_t size);
  void *user;
  uint64_t size; /* how many there are, as far as their container says */
};

/* Reads an array.  Nothing is believed: memory is asked for only when the header agrees with
 * bytes->size. */
bool npy_read(const struct data_file *file, const struct npy_bytes *bytes, struct data *out);

/* ---- helpers in data.c ----------------------------------------------------------------------- */

/* Reports that the file is not as it should be, at the value in the net; false, always. */
bool data_fault(const struct data_file *file, const char *format, ...) PRINTF_LIKE(2, 3);

/* A formatted text that lives with the report. */
const char *data_format(const struct data_file *file, const char *format, ...) PRINTF_LIKE(2, 3);

/* Foreign bytes, shortened, as plain text to be quoted in a message; lives with the report. */
const char *data_quote(const struct data_file *file, const char *bytes, size_t size);

/* Room for `count` numbers, not initialised; NULL after a report when this machine has less
 * memory than that. */
double *data_room(const struct data_file *file, uint64_t count);

/* The names that a container has, for a message about one that is not there. */
enum { NAMES_SHOWN = 10 };
struct data_names {
  const struct data_file *file;
  const char *wanted; /* or NULL */
  size_t size;        /* of what is wanted */
  const char *shown[NAMES_SHOWN];
  size_t count;
  const char *nearest; /* to the wanted one; NULL where none is near */
  size_t distance;
};

void names_add(struct data_names *names, const char *name, size_t size);

/* "a, b, c and 3 more"; lives with the report. */
const char *names_list(const struct data_names *names);

/* ---- a text that passes by in a window ------------------------------------------------------- */

/* So a large text takes no more memory than its numbers.  Only for a message, which shows a line
 * of it, is the text read a second time, as a whole. */
struct reader {
  struct data_file *file;
  const char *at, *end; /* what is in the window and not yet taken; a NUL follows */
  char *window;
  uint64_t passed; /* how many bytes of the file came before the window */
  bool last;       /* nothing follows the window */
  struct source *source;
};

enum { TOKEN_MOST = 4096 }; /* no number is longer */

/* Opens a text at its start, behind a byte order mark if it has one.  False after a report where it
 * is no text; then there is nothing to close. */
bool reader_open(struct reader *reader, struct data_file *file);
/* Gives the window back; what was reported stays. */
void reader_close(struct reader *reader);
void reader_fill(struct reader *reader);

/* Makes sure that TOKEN_MOST bytes, or all that are left, are in the window. */
static inline void reader_need(struct reader *reader) {
  if (reader->end - reader->at < TOKEN_MOST && !reader->last) reader_fill(reader);
}

/* Where in the file `at`, a place in the window, is. */
static inline uint64_t reader_offset(const struct reader *reader, const char *at) {
  return reader->passed + (uint64_t)(at - reader->window);
}

/* The mark of a piece of the text; that of the value in the net when the text is over 4 GB. */
struct mark reader_mark(struct reader *reader, uint64_t offset, size_t size);

/* Adds to the message about a text which value in the net wants it. */
void reader_blame(const struct reader *reader);

#endif
