/* bp_codegen: code for a result. */
#include <string.h>

#include "export/code.h"
#include "handles.h"

struct generating {
  bp_result *result;
  const struct language *language;
  struct arena work;
  struct text out; /* in `work` */
  bool done;
  const char *text; /* in the result's own arena */
};

static void generate(void *argument) {
  struct generating *generating = argument;
  text_init(&generating->out, &generating->work, NULL, NULL);
  generating->done =
      code_write(&generating->result->result, generating->language, &generating->out);
}

static void keep(void *argument) {
  struct generating *generating = argument;
  generating->text =
      arena_copy(&generating->result->arena, generating->out.at, generating->out.count);
}

const char *bp_codegen(bp_result *result, const char *language, size_t *size) {
  struct generating generating = {.result = result, .language = language_find(language)};
  if (!generating.language) return NULL;
  arena_init(&generating.work, NULL);
  bool enough = run_guarded(&result->owner->arena, &generating.work, generate, &generating);
  if (enough && generating.done) enough = run_guarded(&result->arena, NULL, keep, &generating);
  if (!enough) report_exhausted(result->owner);
  *size = generating.out.count;
  arena_free(&generating.work);
  return generating.text;
}
