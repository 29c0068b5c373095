/* bp_codegen: code for a result. */
#include <string.h>

#include "export/code.h"
#include "handles.h"

struct generating {
  bp_result *result;
  const struct language *language;
  const char *text;
  size_t size;
};

static void generate(void *argument) {
  struct generating *generating = argument;
  struct result *result = &generating->result->result;
  struct text out;
  text_init(&out, result->arena, NULL, NULL);
  if (!code_write(result, generating->language, &out)) return;
  generating->size = out.count;
  generating->text = text_string(&out);
}

const char *bp_codegen(bp_result *result, const char *language, size_t *size) {
  struct generating generating = {.result = result, .language = language_find(language)};
  if (!generating.language) return NULL;
  if (!run_guarded(&result->owner->arena, &result->arena, generate, &generating))
    report_exhausted(result->owner);
  *size = generating.size;
  return generating.text;
}
