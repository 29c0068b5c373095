#include "export/matrices.h"

struct view view_matrix(const struct matrix *matrix, bool turned) {
  const struct jacobian *j = matrix->jacobian;
  return (struct view){.jacobian = j,
                       .rows = turned ? j->s.shape : j->p.shape,
                       .columns = turned ? j->p.shape : j->s.shape,
                       .of = turned ? matrix->by : matrix->of,
                       .by = turned ? matrix->of : matrix->by,
                       .turned = turned};
}

struct view view_block(const struct hessian_result *answer, size_t a, size_t b) {
  return a <= b ? view_matrix(hessian_block(answer, a, b), false)
                : view_matrix(hessian_block(answer, b, a), true);
}

void view_row(const struct view *view, size_t i, double *row) {
  if (view->turned)
    jacobian_column(view->jacobian, i, row);
  else
    jacobian_row(view->jacobian, i, row);
}

const char *view_kind(const struct view *view) {
  const struct entries *p = &view->jacobian->p, *s = &view->jacobian->s;
  if (!view->jacobian->reaches) return "zero";
  if (!p->pairs) return "dense";
  return p->free_count == 1 && s->free_count == 1 ? "diagonal" : "block diagonal";
}

int view_pair(const struct view *view, unsigned i) {
  const struct jacobian *jacobian = view->jacobian;
  if (!view->turned) return jacobian->axis[i];
  for (unsigned axis = 0; axis < jacobian->s.shape->rank; axis++)
    if (jacobian->axis[axis] == (int)i) return (int)axis;
  return -1;
}

bool view_is_outside(const struct view *view, size_t i, size_t j) {
  const struct jacobian *jacobian = view->jacobian;
  int64_t p[RANK_MOST], s[RANK_MOST];
  if (!jacobian->reaches) return true;
  unravel(jacobian->p.shape, view->turned ? j : i, p);
  unravel(jacobian->s.shape, view->turned ? i : j, s);
  for (unsigned axis = 0; axis < jacobian->s.shape->rank; axis++)
    if (jacobian->axis[axis] >= 0 && p[jacobian->axis[axis]] != s[axis]) return true;
  return false;
}
