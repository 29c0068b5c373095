#include "graph/op.h"

#include <string.h>

size_t op_attr_count(const struct op *op) {
  size_t count = 0;
  while (op->attrs && op->attrs[count].name) count++;
  return count;
}

static bool is_text(const char *string, const char *text, size_t size) {
  return strlen(string) == size && !memcmp(string, text, size);
}

int op_attr(const struct op *op, const char *name, size_t size) {
  for (int i = 0; op->attrs && op->attrs[i].name; i++)
    if (is_text(op->attrs[i].name, name, size)) return i;
  return -1;
}

int op_input(const struct op *op, const char *name, size_t size) {
  for (int i = 0; i < OP_INPUTS && op->inputs[i]; i++)
    if (is_text(op->inputs[i], name, size)) return i;
  return -1;
}

const char *op_input_name(const struct op *op, unsigned input) {
  return op->inputs[op->most == OP_ANY ? 0 : input];
}

static void explain(struct infer *infer, const char *format) {
  for (; *format; format++) {
    bool input = format[0] == '%' && format[1] >= '0' && format[1] <= '9';
    if (input)
      infer->describe(infer, (unsigned)(*++format - '0'));
    else
      text_char(infer->why, *format);
  }
}

bool infer_fail(struct infer *infer, const char *format) {
  explain(infer, format);
  return false;
}

bool infer_fail_input(struct infer *infer, unsigned input, const char *format) {
  infer->blame_input = (int)input;
  return infer_fail(infer, format);
}

bool infer_fail_attr(struct infer *infer, const char *attr, const char *format) {
  infer->blame_attr = attr;
  return infer_fail(infer, format);
}

void call_fail(const struct call *call, unsigned input, size_t index, const char *what,
               double number) {
  if (call->fault->raised) return;
  *call->fault = (struct fault){true, input, index, what, number};
}
