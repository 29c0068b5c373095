/* Functions that generated code needs.  C is written here as C, and made a text by the preprocessor. */
#include "ops/snippets.h"

/* No header of the C library is included here, so that its macros stay what they are. */
#define CODE(...) #__VA_ARGS__
#define CODE_OF(...) CODE(__VA_ARGS__) /* of what macros have made */
#define ENTRY_FUNCTION(name, arguments, note, numpy, ...)                                          \
  {#name, note, "static double " #name #arguments " " #__VA_ARGS__, numpy},

/* clang-format off */

/* Convolutions: what is done for each entry of a window. */
#define SLIDING                                                                                    \
  int items, int groups, int in, int out, int height, int width, int rows, int columns, int down,  \
      int across, int stride_y, int stride_x, int padding_y, int padding_x, int dilation_y,        \
      int dilation_x
#define CONVOLUTION(name, arguments, start, statement, numpy)                                      \
  {#name, NULL,                                                                                    \
   CODE_OF(static void name arguments {                                                            \
     start;                                                                                        \
     for (int at_y = 0; at_y < items * groups * out * down * across; at_y++) {                     \
       const int o = at_y / (down * across) % (groups * out);                                      \
       const int item = at_y / (down * across * groups * out);                                     \
       for (int tap = 0; tap < in * rows * columns; tap++) {                                       \
         const int c = (item * groups + o / out) * in + tap / (rows * columns);                    \
         const int row = at_y / across % down * stride_y + tap / columns % rows * dilation_y - padding_y; \
         const int column = at_y % across * stride_x + tap % columns * dilation_x - padding_x;     \
         const int at_x = (c * height + row) * width + column;                                     \
         const int at_w = o * (in * rows * columns) + tap;                                         \
         if (row >= 0 && row < height && column >= 0 && column < width) statement;                 \
       }                                                                                           \
     }                                                                                             \
   }),                                                                                             \
   numpy},

/* Pooling: what is done for each entry of a window, and for each window. */
#define PLANES                                                                                     \
  int planes, int height, int width, int rows, int columns, int down, int across, int stride_y,    \
      int stride_x, int padding_y, int padding_x
#define FIND_BEST                                                                                  \
  best = best < 0 || x[at] > x[best] || (isnan(x[at]) && !isnan(x[best])) ? at : best
#define POOL(name, arguments, size, each, last, numpy)                                             \
  {#name, NULL,                                                                                    \
   CODE_OF(static void name arguments {                                                            \
     const int places = planes * down * across;                                                    \
     const int entries = planes * height * width;                                                  \
     for (int i = 0; i < size; i++) y[i] = 0;                                                      \
     for (int place = 0; place < places && entries > 0; place++) {                                 \
       const int top = place / across % down * stride_y - padding_y;                               \
       const int left = place % across * stride_x - padding_x;                                     \
       int best = -1;                                                                              \
       for (int row = top; row < top + rows; row++) {                                              \
         for (int column = left; column < left + columns; column++) {                              \
           const int at = (place / (down * across) * height + row) * width + column;               \
           if (row >= 0 && row < height && column >= 0 && column < width) each;                    \
         }                                                                                         \
       }                                                                                           \
       last;                                                                                       \
     }                                                                                             \
   }),                                                                                             \
   numpy},

const struct snippet snippets[] = {
#include "ops/entry.def"

    /* ---- one entry ---- */
    {"log_gamma", NULL, CODE(static double log_gamma(double x) { return lgamma(x); }),
     "log_gamma = np.vectorize(math.lgamma, otypes=[float])\n"},
    {"erf", NULL, NULL, "erf = np.vectorize(math.erf, otypes=[float])\n"},
    {"erfc", NULL, NULL, "erfc = np.vectorize(math.erfc, otypes=[float])\n"},
    {"selu", NULL, NULL,
     "def selu(x):\n"
     "    return np.where(x > 0, 1.0507009873554805 * x,\n"
     "                    1.7580993408473766 * np.expm1(np.minimum(x, 0)))\n"},

    {"maximum", NULL, CODE(static double maximum(double a, double b) { return a > b || isnan(a) ? a : b; }),
     NULL},
    {"minimum", NULL, CODE(static double minimum(double a, double b) { return a < b || isnan(a) ? a : b; }),
     NULL},
    {"clip", NULL, CODE(static double clip(double x, double low, double high) {
       return x < low ? low : x > high ? high : x;
     }), NULL},
    {"polygamma", NULL, CODE(static double polygamma(int n, double x) {
       /* B_2k / (2k)! of the asymptotic series: Abramowitz and Stegun 6.3.18, 6.4.11 */
       static const double bernoulli[10] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
       const double pi = 3.14159265358979323846;
       if (x <= 0 && x == floor(x)) return n % 2 ? INFINITY : NAN;
       if (n == 0 && x < 0) return polygamma(0, 1 - x) - pi / tan(pi * x);
       if (x < 2.0 * n - 100000) return NAN;
       double sum = 0;
       double factorial = 1;
       for (int i = 2; i < n; i++) factorial *= i;
       for (; x < 20 + 2.0 * n; x++) sum += 1 / pow(x, n + 1);
       if (n == 0) {
         double power = 1 / (x * x);
         sum = log(x) - 0.5 / x - sum;
         for (int k = 1; k <= 10; k++) {
           sum -= bernoulli[k - 1] / (2 * k) * power;
           power /= x * x;
         }
         return sum;
       }
       double weight = factorial * n * (n + 1) / 2;
       sum = factorial / pow(x, n) + factorial * n / (2 * pow(x, n + 1)) + factorial * n * sum;
       for (int k = 1; k <= 10; k++) {
         sum += bernoulli[k - 1] * weight / pow(x, 2 * k + n);
         weight *= (2.0 * k + n) * (2.0 * k + n + 1) / ((2.0 * k + 1) * (2.0 * k + 2));
       }
       return n % 2 ? sum : -sum;
     }),
     "BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,\n"
     "             43867 / 798, -174611 / 330)\n"
     "\n"
     "\n"
     "@functools.partial(np.vectorize, otypes=[float])\n"
     "def polygamma(n, x):  # Abramowitz and Stegun 6.3.18, 6.4.11\n"
     "    if x <= 0 and x == math.floor(x):\n"
     "        return math.inf if n % 2 else math.nan\n"
     "    if n == 0 and x < 0:\n"
     "        return polygamma(0, 1 - x) - math.pi / math.tan(math.pi * x)\n"
     "    total = 0.0\n"
     "    while x < 20 + 2 * n:\n"
     "        total += x ** -(n + 1.0)\n"
     "        x += 1\n"
     "    if n == 0:\n"
     "        return math.log(x) - 0.5 / x - total - sum(\n"
     "            b / (2 * k) * x ** (-2.0 * k) for k, b in enumerate(BERNOULLI, 1))\n"
     "    f = math.factorial\n"
     "    total = f(n - 1) / x ** n + f(n) / (2 * x ** (n + 1)) + f(n) * total + sum(\n"
     "        b * f(2 * k + n - 1) / f(2 * k) / x ** (2.0 * k + n) for k, b in enumerate(BERNOULLI, 1))\n"
     "    return total if n % 2 else -total\n"},

    /* ---- rows: n entries, the first at x, `step` apart ---- */
    {"prod_row", NULL, CODE(static double prod_row(const double *x, int n, int step) {
       double product = 1;
       for (int i = 0; i < n; i++) product *= x[i * step];
       return product;
     }), NULL},
    {"max_row", NULL, CODE(static double max_row(const double *x, int n, int step) {
       double most = -INFINITY;
       for (int i = 0; i < n; i++) most = x[i * step] > most || isnan(x[i * step]) ? x[i * step] : most;
       return most;
     }), NULL},
    {"min_row", NULL, CODE(static double min_row(const double *x, int n, int step) {
       double least = INFINITY;
       for (int i = 0; i < n; i++) least = x[i * step] < least || isnan(x[i * step]) ? x[i * step] : least;
       return least;
     }), NULL},
    {"argmax_row", NULL, CODE(static double argmax_row(const double *x, int n, int step) {
       int at = 0;
       for (int i = 1; i < n; i++) at = x[i * step] > x[at * step] || (isnan(x[i * step]) && !isnan(x[at * step])) ? i : at;
       return at;
     }), NULL},
    {"argmin_row", NULL, CODE(static double argmin_row(const double *x, int n, int step) {
       int at = 0;
       for (int i = 1; i < n; i++) at = x[i * step] < x[at * step] || (isnan(x[i * step]) && !isnan(x[at * step])) ? i : at;
       return at;
     }), NULL},
    {"exp_sum_row", NULL, CODE(static double exp_sum_row(const double *x, int n, int step, double most) {
       double sum = 0;
       for (int i = 0; i < n; i++) sum += x[i * step] == most ? 1 : exp(x[i * step] - most);
       return sum;
     }), NULL},
    {"logsumexp_row", NULL, CODE(static double logsumexp_row(const double *x, int n, int step) {
       const double most = max_row(x, n, step);
       return most + log(exp_sum_row(x, n, step, most));
     }), NULL},
    {"norm_row", NULL, CODE(static double norm_row(const double *x, int n, int step, double ord) {
       double norm = 0;
       for (int i = 0; i < n; i++) {
         const double size = fabs(x[i * step]);
         norm = ord == 1 ? norm + size : ord == 2 ? hypot(norm, size) : size > norm || isnan(size) ? size : norm;
       }
       return norm;
     }), NULL},
    {"var_row", NULL, CODE(static double var_row(const double *x, int n, int step, int ddof) {
       double mean = 0;
       double sum = 0;
       for (int i = 0; i < n; i++) mean += x[i * step];
       mean /= n;
       for (int i = 0; i < n; i++) sum += (x[i * step] - mean) * (x[i * step] - mean);
       return sum / (n - ddof);
     }), NULL},
    {"cumsum_row", NULL, CODE(static void cumsum_row(double *y, const double *x, int n, int step) {
       double sum = 0;
       for (int i = 0; i < n; i++) y[i * step] = sum += x[i * step];
     }), NULL},
    {"others_row", NULL, CODE(static void others_row(double *y, const double *x, int n, int step) {
       double product = 1;
       for (int i = 0; i < n; i++) {
         y[i * step] = product;
         product *= x[i * step];
       }
       product = 1;
       for (int i = n - 1; i >= 0; i--) {
         y[i * step] *= product;
         product *= x[i * step];
       }
     }), NULL},
    {"others_along_row", NULL, CODE(static void others_along_row(double *y, const double *x, const double *direction, int n, int step) {
       for (int i = 0; i < n; i++) {
         double product = 1;
         y[i * step] = 0;
         for (int j = 0; j < n; j++) {
           if (j == i) continue;
           y[i * step] = y[i * step] * x[j * step] + product * direction[j * step];
           product *= x[j * step];
         }
       }
     }), NULL},
    {"softmax_row", NULL, CODE(static void softmax_row(double *y, const double *x, int n, int step) {
       const double most = max_row(x, n, step);
       const double sum = exp_sum_row(x, n, step, most);
       for (int i = 0; i < n; i++) y[i * step] = (x[i * step] == most ? 1 : exp(x[i * step] - most)) / sum;
     }), NULL},
    {"log_softmax_row", NULL, CODE(static void log_softmax_row(double *y, const double *x, int n, int step) {
       const double most = max_row(x, n, step);
       const double lost = log(exp_sum_row(x, n, step, most));
       for (int i = 0; i < n; i++) y[i * step] = (x[i * step] == most ? 0 : x[i * step] - most) - lost;
     }), NULL},
    {"cross_entropy_row", NULL, CODE(static double cross_entropy_row(const double *p, const double *labels, int n, int step) {
       double sum = 0;
       for (int i = 0; i < n; i++) sum -= labels[i * step] == 0 && !isnan(p[i * step]) ? 0 : labels[i * step] * log(p[i * step]);
       return sum;
     }), NULL},
    {"label_loss_row", NULL, CODE(static double label_loss_row(const double *x, double label, int n, int step) {
       const double most = max_row(x, n, step);
       const double right = x[(int)label * step];
       return (right == most ? 0 : most - right) + log(exp_sum_row(x, n, step, most));
     }), NULL},
    {"softmax_loss_row", NULL, CODE(static double softmax_loss_row(const double *x, const double *labels, int n, int step) {
       const double most = max_row(x, n, step);
       const double lost = log(exp_sum_row(x, n, step, most));
       double share = 0;
       double sum = 0;
       for (int i = 0; i < n; i++) {
         share += labels[i * step];
         sum += labels[i * step] == 0 || x[i * step] == most ? 0 : labels[i * step] * (most - x[i * step]);
       }
       return sum + share * lost;
     }), NULL},
    {"hinge_row", NULL, CODE(static double hinge_row(const double *scores, double label, int n, int step, double margin) {
       double sum = 0;
       for (int i = 0; i < n; i++) {
         const double term = scores[i * step] - scores[(int)label * step] + margin;
         if (i != (int)label && !(term <= 0)) sum += term;
       }
       return sum;
     }), NULL},

    /* ---- indices, which are whole numbers from 0 on ---- */
    {"pick", NULL, CODE(static void pick(double *y, const double *x, const double *index, int rows, int n, int step) {
       for (int i = 0; i < rows; i++) y[i] = x[i * n + (int)index[i * step]];
     }),
     "def pick(x, index):  # one entry of each row\n"
     "    index = np.broadcast_to(index, x.shape[:-1]).astype(int)\n"
     "    return np.take_along_axis(x, index[..., None], axis=-1)[..., 0]\n"},
    {"put_pick", NULL, CODE(static void put_pick(double *y, const double *g, const double *index, int rows, int n, int step) {
       for (int i = 0; i < rows * n; i++) y[i] = 0;
       for (int i = 0; i < rows; i++) y[i * n + (int)index[i * step]] = g[i];
     }),
     "def put_pick(g, index, shape):  # rows of zeros with one entry of g each\n"
     "    y = np.zeros(shape)\n"
     "    index = np.broadcast_to(index, shape[:-1]).astype(int)\n"
     "    np.put_along_axis(y, index[..., None], np.asarray(g)[..., None], axis=-1)\n"
     "    return y\n"},
    {"take", NULL, CODE(static void take(double *y, const double *x, const double *indices, int before, int n, int after, int count) {
       for (int i = 0; i < before; i++) {
         for (int j = 0; j < count; j++) {
           for (int k = 0; k < after; k++) y[(i * count + j) * after + k] = x[(i * n + (int)indices[j]) * after + k];
         }
       }
     }),
     "def take(x, indices, axis):\n"
     "    return np.take(x, np.asarray(indices, dtype=int), axis=axis)\n"},
    {"scatter_add", NULL, CODE(static void scatter_add(double *y, const double *g, const double *indices, int before, int n, int after, int count) {
       for (int i = 0; i < before * n * after; i++) y[i] = 0;
       for (int i = 0; i < before; i++) {
         for (int j = 0; j < count; j++) {
           for (int k = 0; k < after; k++) y[(i * n + (int)indices[j]) * after + k] += g[(i * count + j) * after + k];
         }
       }
     }),
     "def scatter_add(g, indices, axis, size):  # the transpose of take\n"
     "    indices, g = np.asarray(indices, dtype=int), np.asarray(g)\n"
     "    rank = g.ndim - indices.ndim + 1\n"
     "    axis %= rank\n"
     "    shape = g.shape[:axis] + (size,) + g.shape[axis + indices.ndim:]\n"
     "    y = np.zeros(shape)\n"
     "    np.add.at(y, (slice(None),) * axis + (indices,), g)\n"
     "    return y\n"},
    {"one_hot", NULL, CODE(static void one_hot(double *y, const double *index, int rows, int n) {
       for (int i = 0; i < rows * n; i++) y[i] = 0;
       for (int i = 0; i < rows; i++) y[i * n + (int)index[i]] = 1;
     }),
     "def one_hot(index, depth):\n"
     "    return (np.asarray(index)[..., None] == np.arange(depth)) * 1.0\n"},

    {"prod_others", NULL, NULL,
     "def prod_others(x, axis):  # of all but one; right with zeros\n"
     "    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis\n"
     "    axes = sorted(a % x.ndim for a in axes)\n"
     "    last = tuple(range(x.ndim - len(axes), x.ndim))\n"
     "    moved = np.moveaxis(x, axes, last)\n"
     "    kept = moved.shape[:x.ndim - len(axes)]\n"
     "    rows = moved.reshape(kept + (math.prod(moved.shape[len(kept):]),))\n"
     "    ones = np.ones(kept + (1,))\n"
     "    before = np.cumprod(np.concatenate([ones, rows], axis=-1), axis=-1)[..., :-1]\n"
     "    after = np.cumprod(np.concatenate([ones, rows[..., ::-1]], axis=-1), axis=-1)[..., -2::-1]\n"
     "    return np.moveaxis((before * after[..., :rows.shape[-1]]).reshape(moved.shape), last, axes)\n"},
    {"prod_others_along", NULL, NULL,
     "def prod_others_along(x, direction, axis):  # the derivative of prod_others\n"
     "    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis\n"
     "    last = tuple(range(x.ndim - len(axes), x.ndim))\n"
     "    moved = np.moveaxis(x, axes, last)\n"
     "    kept = moved.shape[:x.ndim - len(axes)]\n"
     "    rows, d = (np.moveaxis(a, axes, last).reshape(kept + (math.prod(moved.shape[len(kept):]),))\n"
     "               for a in (x, direction))\n"
     "    y = np.empty(rows.shape)\n"
     "    for i in range(rows.shape[-1]):\n"
     "        y[..., i] = np.sum(np.delete(d, i, -1) * prod_others(np.delete(rows, i, -1), -1), axis=-1)\n"
     "    return np.moveaxis(y.reshape(moved.shape), last, axes)\n"},

    /* ---- matrices ---- */
    {"lower_triangle", NULL, CODE(static void lower_triangle(double *y, const double *x, int m, int n, int k) {
       for (int i = 0; i < m; i++) {
         for (int j = 0; j < n; j++) y[i * n + j] = j - i <= k ? x[i * n + j] : 0;
       }
     }), NULL},
    {"upper_triangle", NULL, CODE(static void upper_triangle(double *y, const double *x, int m, int n, int k) {
       for (int i = 0; i < m; i++) {
         for (int j = 0; j < n; j++) y[i * n + j] = j - i >= k ? x[i * n + j] : 0;
       }
     }), NULL},
    {"cross", NULL, CODE(static void cross(double *y, const double *a, const double *b) {
       y[0] = a[1] * b[2] - a[2] * b[1];
       y[1] = a[2] * b[0] - a[0] * b[2];
       y[2] = a[0] * b[1] - a[1] * b[0];
     }),
     "def cross(a, b):\n"
     "    return np.stack([a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],\n"
     "                     a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],\n"
     "                     a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]], axis=-1)\n"},
    /* Gaussian elimination with exchanges of rows, also of y's; returns the sign of the exchanges. */
    {"eliminate", NULL, CODE(static double eliminate(double *a, int n, double *y, int m) {
       double sign = 1;
       for (int k = 0; k < n; k++) {
         int pivot = k;
         for (int i = k + 1; i < n; i++) pivot = fabs(a[i * n + k]) > fabs(a[pivot * n + k]) ? i : pivot;
         if (pivot != k) {
           sign = -sign;
           for (int j = 0; j < n; j++) {
             const double entry = a[k * n + j];
             a[k * n + j] = a[pivot * n + j];
             a[pivot * n + j] = entry;
           }
           for (int j = 0; j < m; j++) {
             const double entry = y[k * m + j];
             y[k * m + j] = y[pivot * m + j];
             y[pivot * m + j] = entry;
           }
         }
         for (int i = k + 1; i < n; i++) {
           const double factor = a[i * n + k] == 0 ? 0 : a[i * n + k] / a[k * n + k];
           for (int j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
           for (int j = 0; j < m; j++) y[i * m + j] -= factor * y[k * m + j];
         }
       }
       return sign;
     }), NULL},
    {"solve", NULL, CODE(static void solve(double *y, const double *a, const double *b, int n, int m, double *work) {
       for (int i = 0; i < n * n; i++) work[i] = a[i];
       for (int i = 0; i < n * m; i++) y[i] = b ? b[i] : i / m == i % m;
       eliminate(work, n, y, m);
       for (int i = n - 1; i >= 0; i--) {
         for (int j = 0; j < m; j++) {
           for (int k = i + 1; k < n; k++) y[i * m + j] -= work[i * n + k] * y[k * m + j];
           y[i * m + j] /= work[i * n + i];
         }
       }
     }),
     "def solve(a, b):\n"
     "    columns = b[..., None] if b.ndim == 1 else b\n"
     "    batch = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])\n"
     "    y = np.linalg.solve(np.broadcast_to(a, batch + a.shape[-2:]),\n"
     "                        np.broadcast_to(columns, batch + columns.shape[-2:]))\n"
     "    return y[..., 0] if b.ndim == 1 else y\n"},
    {"determinant", NULL, CODE(static void determinant(double *y, const double *x, int n, double *work) {
       for (int i = 0; i < n * n; i++) work[i] = x[i];
       *y = eliminate(work, n, NULL, 0);
       for (int i = 0; i < n; i++) *y *= work[i * n + i];
     }), NULL},
    {"logdet", NULL, CODE(static void logdet(double *y, const double *x, int n, double *work) {
       for (int i = 0; i < n * n; i++) work[i] = x[i];
       double sign = eliminate(work, n, NULL, 0);
       *y = 0;
       for (int i = 0; i < n; i++) {
         sign = work[i * n + i] < 0 ? -sign : sign;
         *y += log(fabs(work[i * n + i]));
       }
       if (sign < 0) *y = NAN;
     }),
     "def logdet(x):\n"
     "    sign, value = np.linalg.slogdet(x)\n"
     "    return np.where(sign < 0, np.nan, value)\n"},
    {"cofactor", NULL, CODE(static void cofactor(double *y, const double *x, int n, double *work) {
       for (int at = 0; at < n * n; at++) { /* the determinant without a row and a column */
         double *to = work;
         for (int i = 0; i < n * n; i++) {
           if (i / n != at / n && i % n != at % n) *to++ = x[i];
         }
         y[at] = (at / n + at % n) % 2 ? -1 : 1;
         y[at] *= eliminate(work, n - 1, NULL, 0);
         for (int i = 0; i < n - 1; i++) y[at] *= work[i * (n - 1) + i];
       }
     }),
     "def cofactor(x):  # det(x) inv(x).T, also where x is singular\n"
     "    u, s, v = np.linalg.svd(x)\n"
     "    sign = np.linalg.det(u) * np.linalg.det(v)\n"
     "    return sign[..., None, None] * (u * prod_others(s, -1)[..., None, :]) @ v\n"},
    {"triangular_solve", NULL, CODE(static void triangular_solve(double *y, const double *a, const double *b, int n, int m, int lower, int transpose) {
       const int down = lower != transpose;
       const int row = transpose ? 1 : n;
       const int column = transpose ? n : 1;
       for (int i = 0; i < n * m; i++) y[i] = b[i];
       for (int at = 0; at < n; at++) {
         const int i = down ? at : n - 1 - at;
         for (int j = 0; j < m; j++) {
           for (int k = down ? 0 : i + 1; k < (down ? i : n); k++) y[i * m + j] -= a[i * row + k * column] * y[k * m + j];
           y[i * m + j] /= a[i * (n + 1)];
         }
       }
     }),
     "def triangular_solve(a, b, lower, transpose):\n"
     "    a = np.tril(a) if lower else np.triu(a)\n"
     "    a = np.swapaxes(a, -1, -2) if transpose else a\n"
     "    return solve(a, b)\n"},
    {"cholesky", NULL, CODE(static void cholesky(double *y, const double *x, int n) {
       for (int i = 0; i < n; i++) {
         for (int j = 0; j < n; j++) {
           double sum = (x[i * n + j] + x[j * n + i]) / 2;
           for (int k = 0; k < j && k < i; k++) sum -= y[i * n + k] * y[j * n + k];
           y[i * n + j] = j > i ? 0 : j == i ? sqrt(sum) : sum / y[j * n + j];
         }
       }
     }), NULL},

    /* ---- windows: of images, items by channels by rows by columns ---- */
    {"windows", NULL, NULL,
     "def windows(x, size, stride, padding, dilation, fill):  # what each window holds\n"
     "    pads = [(0, 0)] * (x.ndim - 2) + [(n, n) for n in padding]\n"
     "    reach = tuple(d * (n - 1) + 1 for n, d in zip(size, dilation))\n"
     "    view = np.lib.stride_tricks.sliding_window_view(\n"
     "        np.pad(x, pads, constant_values=fill), reach, axis=(-2, -1))\n"
     "    return view[..., ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]]\n"},
    {"add_windows", NULL, NULL,
     "def add_windows(shape, tap, size, out, stride, padding, dilation):  # the transpose of windows\n"
     "    (height, width), (down, across) = shape[-2:], padding\n"
     "    y = np.zeros(tuple(shape[:-2]) + (height + 2 * down, width + 2 * across))\n"
     "    for i in range(size[0]):\n"
     "        for j in range(size[1]):\n"
     "            rows = slice(i * dilation[0], i * dilation[0] + stride[0] * out[0], stride[0])\n"
     "            columns = slice(j * dilation[1], j * dilation[1] + stride[1] * out[1], stride[1])\n"
     "            y[..., rows, columns][..., :out[0], :out[1]] += tap(i, j)\n"
     "    return y[..., down:down + height, across:across + width]\n"},
    CONVOLUTION(conv2d, (double *y, const double *x, const double *w, const double *b, SLIDING),
                for (int i = 0; i < items * groups * out * down * across; i++)
                  y[i] = b ? b[i / (down * across) % (groups * out)] : 0,
                y[at_y] += x[at_x] * w[at_w],
     "def conv2d(x, w, b, groups, stride, padding, dilation):\n"
     "    v = windows(x, w.shape[2:], stride, padding, dilation, 0.0)\n"
     "    v = v.reshape((v.shape[0], groups, w.shape[1]) + v.shape[2:])\n"
     "    y = np.einsum(\"ngchwij,gocij->ngohw\", v, w.reshape((groups, w.shape[0] // groups) + w.shape[1:]))\n"
     "    y = y.reshape((y.shape[0], w.shape[0]) + y.shape[3:])\n"
     "    return y if b is None else y + b[:, None, None]\n")
    CONVOLUTION(conv2d_input, (double *x, const double *g, const double *w, SLIDING),
                for (int i = 0; i < items * groups * in * height * width; i++) x[i] = 0,
                x[at_x] += g[at_y] * w[at_w],
     "def conv2d_input(g, w, shape, groups, stride, padding, dilation):\n"
     "    out = g.shape[2:]\n"
     "    g = g.reshape((g.shape[0], groups, g.shape[1] // groups) + out)\n"
     "    w = w.reshape((groups, w.shape[0] // groups) + w.shape[1:])\n"
     "    x = add_windows((shape[0], groups, shape[1] // groups) + tuple(shape[2:]),\n"
     "                    lambda i, j: np.einsum(\"ngohw,goc->ngchw\", g, w[..., i, j]),\n"
     "                    w.shape[3:], out, stride, padding, dilation)\n"
     "    return x.reshape(shape)\n")
    CONVOLUTION(conv2d_weight, (double *w, const double *g, const double *x, SLIDING),
                for (int i = 0; i < groups * out * in * rows * columns; i++) w[i] = 0,
                w[at_w] += g[at_y] * x[at_x],
     "def conv2d_weight(g, x, shape, groups, stride, padding, dilation):\n"
     "    v = windows(x, shape[2:], stride, padding, dilation, 0.0)\n"
     "    v = v.reshape((v.shape[0], groups, v.shape[1] // groups) + v.shape[2:])\n"
     "    g = g.reshape((g.shape[0], groups, g.shape[1] // groups) + g.shape[2:])\n"
     "    return np.einsum(\"ngohw,ngchwij->gocij\", g, v).reshape(shape)\n")
    {"winners", NULL, NULL,
     "def winners(x, size, stride, padding):  # where the largest entry of each window is\n"
     "    v = windows(x, size, stride, padding, (1, 1), -np.inf)\n"
     "    at = np.argmax(v.reshape(v.shape[:-2] + (size[0] * size[1],)), axis=-1)\n"
     "    rows = np.arange(at.shape[-2])[:, None] * stride[0] - padding[0] + at // size[1]\n"
     "    columns = np.arange(at.shape[-1]) * stride[1] - padding[1] + at % size[1]\n"
     "    places = (math.prod(at.shape[:-2]), at.shape[-2] * at.shape[-1])\n"
     "    return (rows * x.shape[-1] + columns).reshape(places)\n"},
    POOL(max_pool2d, (double *y, const double *x, PLANES), places, FIND_BEST, y[place] = x[best],
     "def max_pool2d(x, size, stride, padding):\n"
     "    return windows(x, size, stride, padding, (1, 1), -np.inf).max(axis=(-2, -1))\n")
    POOL(max_pool2d_scatter, (double *y, const double *g, const double *x, PLANES), entries, FIND_BEST,
         y[best] += g[place],
     "def max_pool2d_scatter(g, x, size, stride, padding):\n"
     "    at = winners(x, size, stride, padding)\n"
     "    y = np.zeros((len(at), x.shape[-2] * x.shape[-1]))\n"
     "    np.add.at(y, (np.arange(len(at))[:, None], at), g.reshape(at.shape))\n"
     "    return y.reshape(x.shape)\n")
    POOL(max_pool2d_gather, (double *y, const double *u, const double *x, PLANES), places, FIND_BEST,
         y[place] = u[best],
     "def max_pool2d_gather(u, x, size, stride, padding, shape):\n"
     "    at = winners(x, size, stride, padding)\n"
     "    return np.take_along_axis(u.reshape((len(at), u.shape[-2] * u.shape[-1])), at, axis=1).reshape(shape)\n")
    POOL(avg_pool2d, (double *y, const double *x, PLANES), places,
         y[place] += x[at] / (rows * columns), (void)best,
     "def avg_pool2d(x, size, stride, padding):\n"
     "    return windows(x, size, stride, padding, (1, 1), 0.0).mean(axis=(-2, -1))\n")
    POOL(avg_pool2d_adjoint, (double *y, const double *g, PLANES), entries,
         y[at] += g[place] / (rows * columns), (void)best,
     "def avg_pool2d_adjoint(g, size, stride, padding, shape):\n"
     "    share = g / (size[0] * size[1])\n"
     "    return add_windows(shape, lambda i, j: share, size, g.shape[-2:], stride, padding, (1, 1))\n")

    /* ---- dropout ---- */
    {"dropout", NULL, CODE(static void dropout(double *y, const double *x, int size, double rate, long long seed) {
       for (int i = 0; i < size; i++) { /* splitmix64 */
         unsigned long long bits = (unsigned long long)seed * 0xd1342543de82ef95U + ((unsigned long long)i + 1) * 0x9e3779b97f4a7c15U;
         bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
         bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
         bits ^= bits >> 31;
         y[i] = (double)(bits >> 11) * 0x1p-53 < rate ? 0 : x[i] / (1 - rate);
       }
     }),
     "def dropout(x, rate, seed):  # splitmix64\n"
     "    mask, bits = 2 ** 64 - 1, np.arange(1, x.size + 1, dtype=np.uint64)\n"
     "    bits = np.uint64(seed * 0xd1342543de82ef95 & mask) + bits * np.uint64(0x9e3779b97f4a7c15)\n"
     "    bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)\n"
     "    bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)\n"
     "    bits ^= bits >> np.uint64(31)\n"
     "    kept = (bits >> np.uint64(11)) * 2.0 ** -53 >= rate\n"
     "    return np.where(kept.reshape(x.shape), x / (1 - rate), 0)\n"},

    /* ---- what Python has no function for ---- */
    {"exp_below", NULL, NULL,
     "def exp_below(x, most):  # never overflowing\n"
     "    return np.where(x == most, 1, np.exp(np.where(x == most, 0, x - most)))\n"},
    {"logsumexp", NULL, NULL,
     "def logsumexp(x, axis, keepdims):\n"
     "    most = np.max(x, axis=axis, keepdims=True)\n"
     "    y = most + np.log(np.sum(exp_below(x, most), axis=axis, keepdims=True))\n"
     "    return y if keepdims else np.squeeze(y, axis=axis)\n"},
    {"norm", NULL, NULL,
     "def norm(x, ord, axis, keepdims):\n"
     "    most = np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0)\n"
     "    scale = np.where((most == 0) | ~np.isfinite(most), 1, most)\n"
     "    sizes = np.abs(x) / scale\n"
     "    if ord == 1:\n"
     "        y = np.sum(sizes, axis=axis, keepdims=True)\n"
     "    elif ord == 2:\n"
     "        y = np.sqrt(np.sum(sizes ** 2, axis=axis, keepdims=True))\n"
     "    else:\n"
     "        y = np.max(sizes, axis=axis, keepdims=True, initial=0.0)\n"
     "    return scale * y if keepdims else np.squeeze(scale * y, axis=axis)\n"},
    {"find_most", NULL, NULL,
     "def find_most(find, x, axis, keepdims):  # the index among the axes that are reduced\n"
     "    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis\n"
     "    axes = sorted(a % x.ndim for a in axes)\n"
     "    rows = np.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))\n"
     "    kept = rows.shape[:x.ndim - len(axes)]\n"
     "    y = find(rows.reshape(kept + (math.prod(rows.shape[len(kept):]),)), axis=-1) * 1.0\n"
     "    return np.expand_dims(y, tuple(axes)) if keepdims else y\n"},
    {"log_softmax", NULL, NULL,
     "def log_softmax(x, axis):\n"
     "    most = np.max(x, axis=axis, keepdims=True, initial=-np.inf)\n"
     "    rest = np.where(x == most, 0, x - most)\n"
     "    return rest - np.log(np.sum(exp_below(x, most), axis=axis, keepdims=True))\n"},
    {"softmax_loss", NULL, NULL,
     "def softmax_loss(logits, labels):\n"
     "    return -np.sum(np.where(labels == 0, 0, labels * log_softmax(logits, -1)), axis=-1)\n"},
    {"softmax", NULL, NULL,
     "def softmax(x, axis):\n"
     "    e = exp_below(x, np.max(x, axis=axis, keepdims=True, initial=-np.inf))\n"
     "    return e / np.sum(e, axis=axis, keepdims=True)\n"},
    {"cross_entropy", NULL, NULL,
     "def cross_entropy(p, labels):\n"
     "    never = (labels == 0) & ~np.isnan(p)\n"
     "    return -np.sum(np.where(never, 0, labels * np.log(np.where(never, 1, p))), axis=-1)\n"},
    {"hinge", NULL, NULL,
     "def hinge(scores, label, margin):\n"
     "    terms = scores - pick(scores, label)[..., None] + margin\n"
     "    return np.sum(np.maximum(terms, 0) * (1 - one_hot(label, scores.shape[-1])), axis=-1)\n"},
    {"sum_to", NULL, NULL,
     "def sum_to(x, shape):  # the transpose of broadcasting\n"
     "    lead = x.ndim - len(shape)\n"
     "    axes = tuple(i for i in range(x.ndim) if i < lead or shape[i - lead] == 1)\n"
     "    return np.sum(x, axis=axes).reshape(shape)\n"},
    {"slices", NULL, NULL,
     "def slices(rank, start, stop, step, axes):\n"
     "    def at(bounds, i):\n"
     "        bounds = bounds if isinstance(bounds, tuple) else (bounds,)\n"
     "        return int(bounds[i]) if i < len(bounds) and bounds[i] is not None else None\n"
     "    axes = range(rank) if axes is None else axes if isinstance(axes, tuple) else (axes,)\n"
     "    index = [slice(None)] * rank\n"
     "    for i, axis in enumerate(axes):\n"
     "        index[axis] = slice(at(start, i), at(stop, i), at(step, i))\n"
     "    return tuple(index)\n"},
    {"put_slice", NULL, NULL,
     "def put_slice(g, shape, start, stop, step, axes):  # the transpose of a slice\n"
     "    y = np.zeros(shape)\n"
     "    y[slices(len(shape), start, stop, step, axes)] = g\n"
     "    return y\n"},
    {"crop", NULL, NULL,
     "def crop(x, pads):\n"
     "    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, pads))]\n"},
    {"sum_tiles", NULL, NULL,
     "def sum_tiles(g, reps, shape):\n"
     "    tile = (1,) * (g.ndim - len(shape)) + tuple(shape)\n"
     "    split = [n for all, n in zip(g.shape, tile) for n in ((all // n if n else 0), n)]\n"
     "    return g.reshape(split).sum(axis=tuple(range(0, 2 * g.ndim, 2))).reshape(shape)\n"},
    {"einsum", NULL, NULL,
     "def einsum(spec, shape, *factors):  # with letters that only the result has, or has twice\n"
     "    inputs, _, result = spec.replace(\" \", \"\").partition(\"->\")\n"
     "    sizes = dict(zip(result, shape))\n"
     "    y = np.einsum(inputs + \"->\" + \"\".join(c for c in sizes if c in inputs), *factors)\n"
     "    y = y.reshape([n if c in inputs else 1 for c, n in sizes.items()])\n"
     "    at = dict(zip(sizes, np.indices(tuple(sizes.values()))))\n"
     "    out = np.zeros(shape)\n"
     "    out[tuple(at[c] for c in result)] = y\n"
     "    return out\n"},
    {NULL, NULL, NULL, NULL}};
