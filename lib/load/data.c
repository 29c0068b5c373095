/* For realpath. */
#define _DEFAULT_SOURCE
#include "load/data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "load/formats.h"

/* The kinds of files that are read, by the end of their names. */
static const struct format {
  const char *ending;
  bool has_keys; /* `key` picks something inside of it */
  bool (*read)(struct data_file *file, struct data *out);
  bool (*read_each)(struct data_file *file); /* NULL: it holds one array */
} formats[] = {{".npy", false, npy_read_file, NULL},
               {".npz", true, npz_read_file, npz_read_each},
               {".csv", false, csv_read_file, NULL},
               {".json", true, json_read_file, json_read_each}};

enum { FORMATS = sizeof formats / sizeof *formats };

/* ---- messages -------------------------------------------------------------------------------- */

static const char *format_text(struct arena *arena, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  char *text = arena_alloc(arena, (size_t)size + 1);
  vsnprintf(text, (size_t)size + 1, format, again);
  va_end(again);
  return text;
}

const char *data_format(const struct data_file *file, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = format_text(file->request->report->arena, format, arguments);
  va_end(arguments);
  return text;
}

bool data_fault(const struct data_file *file, const char *format, ...) {
  struct report *report = file->request->report;
  va_list arguments;
  va_start(arguments, format);
  const char *text = format_text(report->arena, format, arguments);
  va_end(arguments);
  report_add(report, file->request->mark, BP(BAD_FILE), file->name, text);
  return false;
}

enum { QUOTED = 256 }; /* bytes that are looked at; fewer are shown */

const char *data_quote(const struct data_file *file, const char *bytes, size_t size) {
  struct report *report = file->request->report;
  size_t kept = size < QUOTED ? size : QUOTED;
  char *plain = arena_copy(report->arena, bytes, kept);
  for (size_t at = 0; (at += utf8_find_bad(plain + at, kept - at)) < kept;) plain[at] = '?';
  for (size_t i = 0; i < kept; i++)
    if (memchr("\t\r\n", plain[i], 3)) plain[i] = ' ';
  return report_quote(report, plain, kept);
}

void names_add(struct data_names *names, const char *name, size_t size) {
  const char *kept = NULL;
  if (names->count < NAMES_SHOWN)
    kept = names->shown[names->count] = data_quote(names->file, name, size);
  names->count++;
  if (!names->wanted) return;
  size_t limit = edit_limit(names->size);
  size_t distance = edit_distance(name, size, names->wanted, names->size, limit);
  if (distance > limit || (names->nearest && distance >= names->distance)) return;
  names->nearest = kept ? kept : data_quote(names->file, name, size);
  names->distance = distance;
}

const char *names_list(const struct data_names *names) {
  struct text text;
  text_init(&text, names->file->request->report->arena, NULL, NULL);
  size_t shown = names->count < NAMES_SHOWN ? names->count : NAMES_SHOWN;
  for (size_t i = 0; i < shown; i++) {
    if (i) text_puts(&text, ", ");
    text_puts(&text, names->shown[i]);
  }
  if (shown < names->count) text_printf(&text, " and %zu more", names->count - shown);
  return text_string(&text);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* How many numbers this machine's memory could hold.  Asking for more than that may succeed, since
 * pages are handed out only when they are first used, and end in the program being killed. */
static uint64_t most_numbers(void) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  const uint64_t most = SIZE_MAX / 4 / sizeof(double);
  if (pages <= 0 || page <= 0) return most;
  uint64_t numbers = (uint64_t)pages * ((uint64_t)page / sizeof(double));
  return numbers < most ? numbers : most;
}

double *data_room(const struct data_file *file, uint64_t count) {
  if (count > most_numbers()) {
    report_add(file->request->report, file->request->mark, BP(VALUE_TOO_LARGE),
               data_format(file, "%" PRIu64, count));
    return NULL;
  }
  return arena_resize(file->request->arena, NULL, (size_t)count * sizeof(double));
}

/* ---- texts ----------------------------------------------------------------------------------- */

enum { WINDOW = 1 << 18 };

bool reader_open(struct reader *reader, struct data_file *file) {
  *reader = (struct reader){.file = file};
  reader->window = arena_resize(file->request->arena, NULL, WINDOW + 1);
  reader->at = reader->end = reader->window;
  reader_fill(reader);
  if (!strncmp(reader->at, "\xef\xbb\xbf", 3)) reader->at += 3;
  bool wide = !strncmp(reader->at, "\xff\xfe", 2) || !strncmp(reader->at, "\xfe\xff", 2);
  if (!wide && !memchr(reader->at, '\0', (size_t)(reader->end - reader->at))) return true;
  data_fault(file, wide ? "it is UTF-16 text" : "it is not a text file");
  if (wide) report_hint(file->request->report, "save it as UTF-8");
  reader_close(reader);
  return false;
}

void reader_close(struct reader *reader) {
  arena_release(reader->file->request->arena, reader->window);
}

void reader_fill(struct reader *reader) {
  size_t kept = (size_t)(reader->end - reader->at);
  reader->passed += (uint64_t)(reader->at - reader->window);
  memmove(reader->window, reader->at, kept);
  size_t wanted = WINDOW - kept;
  size_t size = fread(reader->window + kept, 1, wanted, reader->file->stream);
  reader->last = size < wanted;
  reader->at = reader->window;
  reader->end = reader->window + kept + size;
  reader->window[kept + size] = '\0';
}

/* Reads from a place of its own, so that the window can go on where it was. */
static size_t read_whole(const struct data_file *file, char *to, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(fileno(file->stream), to + done, size - done, (off_t)done);
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

static struct source *take_source(const struct data_file *file) {
  struct report *report = file->request->report;
  if (file->size >= UINT32_MAX) return NULL;
  char *bytes = arena_resize(report->arena, NULL, (size_t)file->size + 1);
  size_t size = read_whole(file, bytes, (size_t)file->size);
  bytes[size] = '\0';
  /* A message shows a line of it: only as proper text. */
  for (size_t at = 0; (at += utf8_find_bad(bytes + at, size - at)) < size;) bytes[at] = '?';
  struct source *source = report_source(report, file->opened, bytes, size);
  if (!source) arena_release(report->arena, bytes);
  return source;
}

struct mark reader_mark(struct reader *reader, uint64_t offset, size_t size) {
  if (!reader->source) reader->source = take_source(reader->file);
  const struct source *source = reader->source;
  if (!source) return reader->file->request->mark;
  /* The file may have been cut since. */
  size_t at = offset < source->size ? (size_t)offset : source->size;
  return source_mark(source, source->bytes + at,
                     size < source->size - at ? size : source->size - at);
}

void reader_blame(const struct reader *reader) {
  if (reader->source)
    report_see(reader->file->request->report, reader->file->request->mark, "this value reads it");
}

/* ---- finding and opening --------------------------------------------------------------------- */

static bool cannot_read(const struct data_file *file, const char *why) {
  report_add(file->request->report, file->request->mark, BP(CANNOT_READ),
             data_format(file, "%s: %s", file->name, why));
  return false;
}

/* A path from where the program runs; lives with the report. */
static const char *join_path(const struct data_file *file) {
  const char *folder = file->request->folder, *path = file->request->path;
  bool here = !folder || !*folder || !strcmp(folder, ".");
  if (path[0] == '/' || here) return path;
  bool slash = folder[strlen(folder) - 1] == '/';
  return data_format(file, "%s%s%s", folder, slash ? "" : "/", path);
}

/* Both are absolute and free of links, `.` and `..`. */
static bool is_inside(const char *path, const char *root) {
  size_t size = strlen(root);
  if (size == 1) return true; /* "/" */
  return !strncmp(path, root, size) && (path[size] == '/' || !path[size]);
}

/* Finds where a path really leads, and whether it may be read. */
static bool resolve_path(const struct data_file *file, char resolved[PATH_MAX]) {
  const struct data_request *request = file->request;
  char root[PATH_MAX];
  const char *given = request->root && *request->root ? request->root : ".";
  if (!realpath(given, root))
    return cannot_read(file, data_format(file, "%s: %s", given, strerror(errno)));
  if (!realpath(file->opened, resolved)) {
    int why = errno;
    cannot_read(file, strerror(why));
    if (why == ENOENT && file->opened != request->path)
      report_hint(request->report, "it was looked for in %s", request->folder);
    return false;
  }
  if (is_inside(resolved, root)) return true;
  bool own = request->folder && !strcmp(given, request->folder);
  report_add(request->report, request->mark, BP(OUTSIDE_ROOT), request->path,
             own ? "the net's folder" : given);
  report_hint(request->report, "--data-root FOLDER allows another folder");
  return false;
}

/* The path has no links any more: one that appears meanwhile is not followed.  Opening a pipe must
 * not wait for its other end. */
static bool open_regular(struct data_file *file, const char *resolved) {
  int fd = open(resolved, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return cannot_read(file, strerror(errno));
  file->stream = fdopen(fd, "rb");
  if (!file->stream) {
    close(fd);
    return cannot_read(file, strerror(errno));
  }
  struct stat about;
  if (fstat(fd, &about)) return cannot_read(file, strerror(errno));
  if (S_ISDIR(about.st_mode)) return cannot_read(file, "it is a folder");
  if (!S_ISREG(about.st_mode)) return cannot_read(file, "it is no regular file");
  file->size = (uint64_t)about.st_size;
  return true;
}

static bool open_file(struct data_file *file) {
  char resolved[PATH_MAX];
  file->opened = join_path(file);
  return resolve_path(file, resolved) && open_regular(file, resolved);
}

static void close_file(struct data_file *file) {
  if (file->archive) file->close_archive(file->archive);
  if (file->stream) fclose(file->stream);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *ending) {
  size_t size = strlen(path), tail = strlen(ending);
  return size > tail && !strcasecmp(path + size - tail, ending);
}

static const struct format *find_format(const struct data_file *file) {
  const struct data_request *request = file->request;
  const struct format *format = formats;
  while (format < formats + FORMATS && !ends_with(request->path, format->ending)) format++;
  if (format == formats + FORMATS) {
    data_fault(file, "its name has no ending that is read");
    report_hint(request->report, ".npy, .npz, .csv and .json are read");
    return NULL;
  }
  if (!request->key || format->has_keys) return format;
  data_fault(file, "a %s file has no keys", format->ending);
  report_hint(request->report, "`key` picks an array of a .npz or a member of a .json file");
  return NULL;
}

static bool read_format(struct data_file *file, const struct format *format, struct data *out) {
  if (!open_file(file)) return false;
  bool done = file->each ? format->read_each(file) : format->read(file, out);
  if (ferror(file->stream)) return cannot_read(file, "the disk failed");
  return done;
}

/* Whatever is open is closed, also when memory runs out; then the jump goes on to the caller's
 * guard.  `file` is the caller's, because what setjmp's own function changes would be lost. */
static bool read_guarded(struct data_file *file, const struct format *format, struct data *out) {
  struct arena *numbers = file->request->arena, *messages = file->request->report->arena;
  jmp_buf *const outer = numbers->guard, *const outer_messages = messages->guard;
  jmp_buf guard;
  if (setjmp(guard)) {
    numbers->guard = outer;
    messages->guard = outer_messages;
    close_file(file);
    arena_exhausted(numbers);
  }
  numbers->guard = messages->guard = &guard;
  bool done = read_format(file, format, out);
  numbers->guard = outer;
  messages->guard = outer_messages;
  close_file(file);
  return done;
}

bool data_read(const struct data_request *request, struct data *out) {
  struct data_file file = {.request = request, .name = request->path};
  const struct format *format = find_format(&file);
  if (!format || !read_guarded(&file, format, out)) return false;
  out->path = file.opened;
  return true;
}

bool data_read_each(const struct data_request *request, data_each_fn *each, void *user) {
  struct data_file file = {
      .request = request, .name = request->path, .each = each, .each_user = user};
  const struct format *format = find_format(&file);
  if (!format) return false;
  if (format->read_each) return read_guarded(&file, format, NULL);
  data_fault(&file, "a %s file has no names", format->ending);
  report_hint(request->report, "gradients by name are read from .npz and .json");
  return false;
}
