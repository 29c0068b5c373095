#include "export/explain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "check/diagnose.h"

/* The number in "BP203", "bp203" or "203"; 0 where the text is none of these. */
static unsigned code_number(const char *code) {
  if (toupper((unsigned char)code[0]) == 'B' && toupper((unsigned char)code[1]) == 'P') code += 2;
  size_t size = strlen(code);
  if (!size || size > 3 || strspn(code, "0123456789") != size) return 0;
  return (unsigned)strtoul(code, NULL, 10);
}

/* The message of a number; DIAG_COUNT where there is none. */
static enum diag find_message(const char *code) {
  unsigned number = code_number(code);
  int id = 0;
  while (id < DIAG_COUNT && (!number || diag_number((enum diag)id) != number)) id++;
  return (enum diag)id;
}

static const struct diagnosis_kind *find_kind(const char *id) {
  const struct diagnosis_kind *kind = diagnosis_kinds;
  while (kind->id && strcmp(kind->id, id) != 0) kind++;
  return kind->id ? kind : NULL;
}

bool explain_knows(const char *code) { return find_message(code) < DIAG_COUNT || find_kind(code); }

/* A message's text with its gaps as dots. */
static void print_format(const char *format, struct text *out) {
  for (; *format; format++) {
    if (*format != '%') {
      text_char(out, *format);
    } else if (format[1] == '%') {
      text_char(out, *++format);
    } else {
      format += strcspn(format, "sdu");
      text_puts(out, "...");
    }
  }
}

/* What a severity comes to. */
static const char *consequence(enum severity severity) {
  static const char *const texts[] = {
      [SEVERITY_NOTE] = "It changes nothing.",
      [SEVERITY_WARNING] = "With --strict the exit status is 1.",
      [SEVERITY_ERROR] = "The net cannot be evaluated or judged: the exit status is 2.",
      [SEVERITY_FAILURE] = "The system failed, not the net: the exit status is 3."};
  return texts[severity];
}

static void explain_message(enum diag id, struct text *out) {
  const char *format = diag_format(id);
  text_printf(out, "BP%03u, %s", diag_number(id), severity_name(diag_severity(id)));
  if (format[strspn(format, "%s: ")]) { /* not gaps alone */
    text_puts(out, ": ");
    print_format(format, out);
  }
  text_puts(out, "\n\n");
  print_format(diag_meaning(id), out);
  text_printf(out, "\n%s\n", consequence(diag_severity(id)));
}

void explain_code(const char *code, struct text *out) {
  enum diag id = find_message(code);
  if (id < DIAG_COUNT) {
    explain_message(id, out);
    return;
  }
  const struct diagnosis_kind *kind = find_kind(code);
  text_printf(out, "%s, what is wrong with a claim\n\n%s\n%s\n\n", kind->id, kind->meaning,
              kind->example);
  text_puts(out, "A diagnosis is named where it makes exactly the claim, at every point.\n");
}

void list_codes(struct text *out) {
  size_t width = 0;
  for (const struct diagnosis_kind *kind = diagnosis_kinds; kind->id; kind++)
    if (strlen(kind->id) > width) width = strlen(kind->id);
  text_puts(out, "messages\n");
  for (int id = 0; id < DIAG_COUNT; id++) {
    text_printf(out, "  BP%03u  ", diag_number((enum diag)id));
    print_format(diag_meaning((enum diag)id), out);
    text_char(out, '\n');
  }
  text_puts(out, "\nwhat is wrong with a claim\n");
  for (const struct diagnosis_kind *kind = diagnosis_kinds; kind->id; kind++)
    text_printf(out, "  %-*s  %s\n", (int)width, kind->id, kind->meaning);
}
