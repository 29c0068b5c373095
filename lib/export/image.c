#include "export/image.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "dot" /* Graphviz's */

enum {
  COMPLAINTS_MOST = 1 << 20, /* bytes of standard error that are looked at */
  COMPLAINT_MOST = 200,      /* characters of it that are shown */
  MEMORY_MOST = 4            /* GB of address space */
};

/* A text that the program writes. */
struct stream {
  int file; /* -1: closed */
  struct text text;
};

struct child {
  struct report *report;
  const char *format;
  const char *splines; /* an argument */
  pid_t process;
  int input; /* a socket, since writing to it raises no signal; -1: closed */
  int told;  /* what the child could not do before it was the program; -1: closed */
  struct stream image, complaints;
  double deadline, seconds;
  bool timed_out, unwanted;
};

static struct text start_reason(const struct report *report) {
  struct text why;
  text_init(&why, report->arena, NULL, NULL);
  return why;
}

static bool fail(struct report *report, struct text *why) {
  report_add(report, (struct mark){0, 0}, BP(CANNOT_DRAW), text_string(why));
  return false;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- starting ---------------------------------------------------------------------------- */

static void limit(int resource, rlim_t most) {
  struct rlimit limits;
  if (getrlimit(resource, &limits)) return;
  if (limits.rlim_max != RLIM_INFINITY && limits.rlim_max < most) most = limits.rlim_max;
  limits.rlim_cur = most;
  setrlimit(resource, &limits);
}

/* In the child: becomes the program, or says through `told` why it cannot.  Between fork and exec
 * nothing may be allocated. */
static void become_program(const struct child *child, const int ends[3], int told) {
  char type[16] = "-T";
  strncat(type, child->format, sizeof type - strlen(type) - 1);
  /* -v makes it say on standard error which fonts it found; an SVG leaves the letters to its reader.
   * Points are 1/72 inch, and 192 pixels an inch are twice as many as a page has. */
  const char *const svg[] = {PROGRAM, type, child->splines, NULL};
  const char *const pdf[] = {PROGRAM, type, child->splines, "-v", NULL};
  const char *const png[] = {PROGRAM, type, child->splines, "-v", "-Gdpi=192", NULL};
  const char *const *arguments = !strcmp(child->format, "svg")   ? svg
                                 : !strcmp(child->format, "png") ? png
                                                                 : pdf;
  limit(RLIMIT_CPU, (rlim_t)ceil(child->seconds) + 1);
  limit(RLIMIT_CORE, 0);
  if (sizeof(rlim_t) > 4) limit(RLIMIT_AS, (rlim_t)MEMORY_MOST << 30);
  for (int i = 0; i < 3; i++)
    if (dup2(ends[i], i) < 0) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  execvp(PROGRAM, (char *const *)arguments);
  int error = errno;
  while (write(told, &error, sizeof error) < 0 && errno == EINTR)
    ;
  _exit(127);
}

static void close_all(int *files, int count) {
  for (int i = 0; i < count; i++)
    if (files[i] >= 0) close(files[i]);
}

enum { MINE, OTHERS };

/* What the child could not do, once it has become the program or died; 0 where all is well. */
static int read_error(int told) {
  int error = 0;
  ssize_t size;
  do size = read(told, &error, sizeof error);
  while (size < 0 && errno == EINTR);
  return size == (ssize_t)sizeof error ? error : 0;
}

/* Pipes and the socket, none of them on the numbers 0 to 2, closed on exec. */
static bool open_channels(int input[2], int image[2], int complaints[2], int told[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, input) || pipe(image) || pipe(complaints) || pipe(told))
    return false;
  int *const all[] = {input, image, complaints, told};
  for (int i = 0; i < 8; i++) {
    int *file = &all[i / 2][i % 2];
    int higher = fcntl(*file, F_DUPFD_CLOEXEC, 3);
    if (higher < 0) return false;
    close(*file);
    *file = higher;
  }
  return true;
}

static bool start(struct child *child) {
  int input[2] = {-1, -1}, image[2] = {-1, -1}, complaints[2] = {-1, -1}, told[2] = {-1, -1};
  bool open = open_channels(input, image, complaints, told);
  child->process = open ? fork() : -1;
  if (!child->process)
    become_program(child, (const int[]){input[OTHERS], image[1], complaints[1]}, told[1]);
  int error = errno;
  close_all((int[]){input[OTHERS], image[1], complaints[1], told[1]}, 4);
  child->input = input[MINE];
  child->image.file = image[0];
  child->complaints.file = complaints[0];
  child->told = told[0];
  if (child->process > 0) return true;
  close_all((int[]){input[MINE], image[0], complaints[0], told[0]}, 4);
  struct text why = start_reason(child->report);
  text_printf(&why, "cannot start a process: %s", strerror(error));
  return fail(child->report, &why);
}

/* Whether the child became the program; false after a report. */
static bool has_started(struct child *child) {
  int error = read_error(child->told);
  if (!error) return true;
  struct text why = start_reason(child->report);
  if (error == ENOENT)
    text_puts(&why, "the program '" PROGRAM "' is not found");
  else
    text_printf(&why, "cannot start '" PROGRAM "': %s", strerror(error));
  fail(child->report, &why);
  report_hint(child->report,
              "install graphviz; --format " PROGRAM " writes its language without it");
  return false;
}

/* ---- talking ----------------------------------------------------------------------------- */

static void shut(int *file) {
  if (*file >= 0) close(*file);
  *file = -1;
}

/* Sends what the socket takes. */
static void send_some(struct child *child, const char **bytes, size_t *size) {
  ssize_t sent = send(child->input, *bytes, *size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (sent > 0) *bytes += sent, *size -= (size_t)sent;
  if (sent <= 0 || !*size) shut(&child->input); /* it is gone: its status will say why */
}

static void read_some(struct stream *stream, size_t most) {
  char bytes[1 << 16];
  ssize_t size = read(stream->file, bytes, sizeof bytes);
  if (size < 0 && errno == EINTR) return;
  if (size <= 0)
    shut(&stream->file);
  else if (stream->text.count < most)
    text_add(&stream->text, bytes, (size_t)size);
}

/* Hands the DOT on and takes the answer, until the program is done or its time is up. */
static void talk(struct child *child, const char *dot, size_t size) {
  if (!size) shut(&child->input);
  while (child->image.file >= 0 || child->complaints.file >= 0) {
    double left = child->deadline - now();
    if (left <= 0) {
      child->timed_out = true;
      return;
    }
    struct pollfd files[3] = {{.fd = child->input, .events = POLLOUT},
                              {.fd = child->image.file, .events = POLLIN},
                              {.fd = child->complaints.file, .events = POLLIN}};
    int wait = left > 1000 ? 1000000 : (int)(left * 1000) + 1;
    if (poll(files, 3, wait) <= 0) continue;
    if (files[0].revents) send_some(child, &dot, &size);
    if (files[1].revents) read_some(&child->image, SIZE_MAX);
    if (files[2].revents) read_some(&child->complaints, COMPLAINTS_MOST);
  }
}

/* Ends the program if it has not ended; its status, or -1 where somebody else took it. */
static int finish(struct child *child) {
  int status = -1;
  shut(&child->input);
  shut(&child->told);
  shut(&child->image.file);
  shut(&child->complaints.file);
  if (child->timed_out || child->unwanted) kill(child->process, SIGKILL);
  while (waitpid(child->process, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

/* ---- judging ----------------------------------------------------------------------------- */

/* The first line in which the program says what is wrong; with -v it says much else. */
static const char *find_complaint(struct child *child) {
  static const char *const signs[] = {"rror", "Format:", "There is no", "emory"};
  const char *text = text_string(&child->complaints.text), *first = NULL;
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    const char *found = strstr(text, signs[i]);
    if (found && (!first || found < first)) first = found;
  }
  if (!first) return NULL;
  while (first > text && first[-1] != '\n') first--;
  return report_quote(child->report, first, strcspn(first, "\n"));
}

static bool begins(const struct text *text, const char *with, size_t size) {
  return text->count >= size && !memcmp(text->at, with, size);
}

/* Whether `with` stands among the last bytes. */
static bool ends(const struct text *text, const char *with, size_t size) {
  enum { LAST = 32 };
  for (size_t i = 0; i < LAST && text->count >= size + i; i++)
    if (!memcmp(text->at + text->count - size - i, with, size)) return true;
  return false;
}

/* How images of each format begin and end. */
static const struct {
  const char *format, *begin, *end;
  size_t begin_size, end_size;
} marks[] = {{"svg", "<?xml", "</svg>", 5, 6},
             {"png", "\x89PNG\r\n\x1a\n", "IEND\xae\x42\x60\x82", 8, 8},
             {"pdf", "%PDF-", "%%EOF", 5, 5}};

static bool is_whole(const struct child *child) {
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (!strcmp(marks[i].format, child->format))
      return begins(&child->image.text, marks[i].begin, marks[i].begin_size) &&
             ends(&child->image.text, marks[i].end, marks[i].end_size);
  return false;
}

/* Whether the program could not route an edge, or left one out. */
static bool has_lost_edge(struct child *child, int status) {
  const char *complaints = text_string(&child->complaints.text);
  return !child->timed_out && status != -1 && WIFEXITED(status) &&
         (strstr(complaints, "Error: lost ") || strstr(complaints, "Error: in routesplines"));
}

static bool fail_with(struct report *report, struct text *why, const char *complaint) {
  if (complaint) text_printf(why, ": %s", complaint);
  return fail(report, why);
}

static bool judge(struct child *child, int status) {
  struct report *report = child->report;
  struct text why = start_reason(report);
  const char *complaint = find_complaint(child);
  if (child->timed_out || (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
    text_printf(&why, "'" PROGRAM "' took more than %g seconds", child->seconds);
    fail(report, &why);
    report_hint(report, "draw less: --level names, --focus, --between, --collapse; or allow more: "
                        "--seconds");
    return false;
  }
  if (status != -1 && WIFSIGNALED(status)) {
    text_printf(&why, "'" PROGRAM "' was ended by signal %d", WTERMSIG(status));
    return fail_with(report, &why, complaint);
  }
  if (complaint && strstr(complaint, "Format:")) {
    text_printf(&why, "'" PROGRAM "' cannot write %s", child->format);
    fail(report, &why);
    report_hint(report, "its list of plugins is missing: run '" PROGRAM " -c' as root");
    return false;
  }
  if (strstr(text_string(&child->complaints.text), "fontname: unable to resolve")) {
    text_puts(&why, "'" PROGRAM "' finds no font: texts would be missing");
    fail(report, &why);
    report_hint(report, "install a font, say fonts-liberation");
    return false;
  }
  if (status > 0 || has_lost_edge(child, status)) {
    text_printf(&why, "'" PROGRAM "' failed with status %d", WEXITSTATUS(status));
    return fail_with(report, &why, complaint);
  }
  if (is_whole(child)) return true;
  text_printf(&why, "'" PROGRAM "' answered %zu bytes that are no whole %s",
              child->image.text.count, child->format);
  return fail_with(report, &why, complaint);
}

/* What is drawn: written while the program starts for the first time. */
struct subject {
  write_dot_fn *write;
  const void *context;
  struct text dot;
  bool written;
};

static bool write_subject(struct subject *subject) {
  if (!subject->written) subject->written = subject->write(subject->context, &subject->dot);
  return subject->written;
}

/* Runs the program once; false after a report. */
static bool run(struct child *child, struct arena *arena, struct subject *subject, int *status) {
  text_init(&child->image.text, arena, NULL, NULL);
  text_init(&child->complaints.text, arena, NULL, NULL);
  if (!start(child)) return false;

  /* Memory that runs out must not leave the program behind. */
  jmp_buf guard, *const outer = arena->guard;
  arena->guard = &guard;
  volatile bool exhausted = true, started = false;
  if (setjmp(guard) == 0) {
    started = write_subject(subject) && has_started(child);
    if (started) talk(child, subject->dot.at, subject->dot.count);
    exhausted = false;
  }
  arena->guard = outer;
  child->unwanted = exhausted || !started;
  *status = finish(child);
  if (exhausted) arena_exhausted(arena);
  return started;
}

bool image_draw(struct image *image, struct arena *arena, struct report *report, const char *format,
                double seconds, write_dot_fn *write, const void *context) {
  /* Its router of curves fails now and then; that of straight pieces hardly ever. */
  static const char *const splines[] = {"-Gsplines=true", "-Gsplines=polyline", "-Gsplines=line"};
  enum { TRIES = sizeof splines / sizeof *splines };
  struct child child = {.report = report, .format = format, .seconds = seconds};
  struct subject subject = {.write = write, .context = context};
  int status = -1;
  text_init(&subject.dot, arena, NULL, NULL);
  child.deadline = now() + seconds;
  for (int i = 0; i < TRIES; i++) {
    child.splines = splines[i];
    if (!run(&child, arena, &subject, &status)) return false;
    if (!has_lost_edge(&child, status)) break;
  }
  if (!judge(&child, status)) return false;
  *image = (struct image){child.image.text.at, child.image.text.count};
  return true;
}
