/* From bytes to gradients: what the fuzzer feeds in is a net file.  Nothing may crash, leak or run
 * away, a net that evaluates must export, and what is derived from a net must be one. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpgraph.h"

/* As much memory as the library believes to be there (see --wrap in CMakeLists.txt): its own limits
 * then keep every net small, and are fuzzed as well. */
size_t __wrap_machine_memory(void);
size_t __wrap_machine_memory(void) { return 4 << 20; }

static bool drop(void *user, const char *bytes, size_t size) {
  (void)bytes;
  *(size_t *)user += size;
  return true;
}

/* A picture may be too large; else there is one. */
static void draw(bp_net *net, bp_result *result, const bp_picture_options *options) {
  size_t size;
  bp_picture *picture = bp_picture_make(result, options);
  if (!picture && bp_net_ok(net)) __builtin_trap();
  if (picture && !bp_picture_draw(picture, "dot", true, &size)) __builtin_trap();
  bp_picture_free(picture);
}

static void evaluate(bp_net *net, const bp_evaluate_options *options) {
  bp_result *result = bp_evaluate(net, options);
  for (size_t i = 0; result && bp_format_name(i); i++) {
    size_t size = 0;
    if (!bp_export(result, bp_format_name(i), drop, &size) || !size) __builtin_trap();
  }
  if (result)
    draw(net, result, &(bp_picture_options){.level = "ops", .show = "local,value,gradient"});
  if (result && bp_net_ok(net)) draw(net, result, &(bp_picture_options){.level = "names"});
  if (!result && bp_net_ok(net)) __builtin_trap(); /* no answer, and no reason why */
  bp_result_free(result);
}

static void check(bp_net *net, const bp_check_options *options) {
  bp_check *check = bp_check_net(net, options);
  if (!check || bp_check_valid(check) != bp_net_ok(net)) __builtin_trap();
  const bp_check *const all[] = {check};
  for (size_t i = 0; bp_check_format_name(i); i++) {
    size_t size = 0;
    if (!bp_check_export(all, 1, bp_check_format_name(i), drop, &size) || !size) __builtin_trap();
  }
  bp_check_free(check);
}

static void export_all(bp_net *net, bp_matrices *matrices) {
  static const char *const formats[] = {"text", "json", "npz"};
  for (size_t i = 0; matrices && i < sizeof formats / sizeof *formats; i++) {
    size_t size = 0;
    if (!bp_matrices_export(matrices, formats[i], drop, &size) || !size) __builtin_trap();
  }
  if (!matrices && bp_net_ok(net)) __builtin_trap();
  bp_matrices_free(matrices);
}

/* Whether all that is wrong with a net is that it is too large. */
static bool is_too_large(bp_net *net) {
  size_t errors = 0;
  for (size_t i = 0; i < bp_message_count(net); i++) {
    if (bp_message_severity(net, i) < BP_ERROR) continue;
    if (!strstr(bp_message_text(net, i), "memory")) return false;
    errors++;
  }
  return errors > 0;
}

static void derive(bp_net *net, const bp_derive_options *options) {
  bp_derivation *derivation = bp_derive(net, options);
  size_t size;
  if (!derivation && bp_net_ok(net)) __builtin_trap();
  if (!derivation) return;
  const char *text = bp_derivation_text(derivation, &size);
  bp_net *derived = bp_net_parse("derived.yaml", text, size, NULL);
  if (derived && !bp_net_ok(derived) && !is_too_large(derived)) __builtin_trap();
  bp_net_free(derived);
  bp_derivation_free(derivation);
}

/* There need not be code: an op may have none, or the output no gradients. */
static void generate(bp_net *net, const char *language) {
  bp_result *result = bp_evaluate(net, NULL);
  size_t size = 0;
  const char *code = result ? bp_codegen(result, language, &size) : NULL;
  if (code ? strlen(code) != size : bp_net_ok(net)) __builtin_trap();
  bp_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const bp_load_options nowhere = {.data_root = "/nonexistent"};
  bp_net *net = bp_net_parse("fuzz.yaml", (const char *)bytes, size, &nowhere);
  if (!net) return 0;
  if (bp_net_ok(net)) evaluate(net, &(bp_evaluate_options){.all = true});
  if (bp_net_ok(net)) evaluate(net, NULL);
  check(net, &(bp_check_options){.points = &(size_t){2}, .mutants = true});
  if (bp_net_ok(net)) derive(net, NULL); /* it may have no gradient: an error */
  if (bp_net_ok(net)) export_all(net, bp_hessian(net, NULL)); /* it may have none: an error */
  if (bp_net_ok(net)) generate(net, "c");
  if (bp_net_ok(net)) generate(net, "python");
  for (size_t i = 0; i < bp_message_count(net); i++)
    if (!bp_message_print(net, i, i % 2)[0]) __builtin_trap();
  bp_message_summary(net);
  bp_net_free(net);
  return 0;
}
