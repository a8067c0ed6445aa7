/* Decimal numerals and binary fractions: the nearest float64 of a numeral, and the shortest numeral of a float.
 *
 * Each question is answered by arithmetic whose error is known; where that leaves a doubt, by exact integers. */
#include "lt.h"

#include <math.h>

enum { LIMBS = 44, POWER_LOW = -342, POWER_HIGH = 308 };

typedef struct {
  int used;
  uint64_t limb[LIMBS]; /* little end first */
} Whole;

static uint64_t power_high[POWER_HIGH - POWER_LOW + 1], power_low[POWER_HIGH - POWER_LOW + 1];
static int power_exponent[POWER_HIGH - POWER_LOW + 1]; /* 5**k lies in [T, T + 1) * 2**exponent, T of 128 bits */
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static double ten_powers[128]; /* 10**(k - 64), each the nearest float64 */
static int ready;

static void multiply(Whole *x, uint64_t by) {
  u128 carry = 0;
  for (int i = 0; i < x->used; i++) {
    carry += (u128)x->limb[i] * by;
    x->limb[i] = (uint64_t)carry;
    carry >>= 64;
  }
  if (carry && x->used < LIMBS) x->limb[x->used++] = (uint64_t)carry;
}

static void times_five_to(Whole *x, int power) {
  for (; power >= 27; power -= 27) multiply(x, 7450580596923828125u); /* 5**27 */
  for (; power > 0; power--) multiply(x, 5);
}

static int bits_of(const Whole *x) {
  return x->used == 0 ? 0 : 64 * x->used - __builtin_clzll(x->limb[x->used - 1]);
}

static void shift_left(Whole *x, int by) {
  int limbs = by / 64, bits = by % 64;
  if (x->used == 0 || by == 0) return;
  if (x->used + limbs + 1 > LIMBS) abort(); /* callers compare lengths first */
  x->limb[x->used] = 0;
  for (int i = x->used; i >= 0; i--)
    x->limb[i + limbs] = x->limb[i] << bits | (bits && i > 0 ? x->limb[i - 1] >> (64 - bits) : 0);
  for (int i = 0; i < limbs; i++) x->limb[i] = 0;
  x->used += limbs + 1;
  while (x->used > 0 && x->limb[x->used - 1] == 0) x->used--;
}

static Whole whole(uint64_t value) {
  Whole x = {value != 0, {value}};
  return x;
}

/* Compare digits * 10**k with mantissa * 2**e: -1, 0 or 1, exactly. */
static int compare(uint64_t digits, int k, uint64_t mantissa, int e) {
  if (digits == 0 || mantissa == 0) return (digits != 0) - (mantissa != 0);
  Whole left = whole(digits), right = whole(mantissa);
  times_five_to(k >= 0 ? &left : &right, k >= 0 ? k : -k);
  int left_bits = bits_of(&left) + k, right_bits = bits_of(&right) + e;
  if (left_bits != right_bits) return left_bits < right_bits ? -1 : 1;
  if (k > e) shift_left(&left, k - e);
  else shift_left(&right, e - k);
  if (left.used != right.used) return left.used < right.used ? -1 : 1;
  for (int i = left.used - 1; i >= 0; i--)
    if (left.limb[i] != right.limb[i]) return left.limb[i] < right.limb[i] ? -1 : 1;
  return 0;
}

static int less(const Whole *a, const Whole *b) {
  if (a->used != b->used) return a->used < b->used;
  for (int i = a->used - 1; i >= 0; i--)
    if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i];
  return 0;
}

static void subtract(Whole *a, const Whole *b) {
  uint64_t borrow = 0;
  for (int i = 0; i < a->used; i++) {
    u128 right = (u128)(i < b->used ? b->limb[i] : 0) + borrow;
    borrow = a->limb[i] < right;
    a->limb[i] -= (uint64_t)right;
  }
  while (a->used > 0 && a->limb[a->used - 1] == 0) a->used--;
}

/* Work out the powers of five: 128 leading bits each, rounded down. */
void lt_numbers_begin(void) {
  if (ready) return;
  Whole five = whole(1);
  for (int k = 0; k <= -POWER_LOW; k++) {
    int bits = bits_of(&five), top = five.used > 0 ? five.used - 1 : 0;
    if (k <= POWER_HIGH) {
      uint64_t high = five.limb[top], next = top > 0 ? five.limb[top - 1] : 0, last = top > 1 ? five.limb[top - 2] : 0;
      int shift = __builtin_clzll(high);
      power_high[k - POWER_LOW] = shift ? high << shift | next >> (64 - shift) : high;
      power_low[k - POWER_LOW] = shift ? next << shift | last >> (64 - shift) : next;
      power_exponent[k - POWER_LOW] = bits - 128;
    }
    if (k > 0) { /* 2**(bits + 127) / 5**k, between 2**127 and 2**128 */
      Whole rest = whole(1);
      uint64_t high = 0, low = 0;
      shift_left(&rest, bits - 1); /* less than 5**k: the first bit of the quotient comes next */
      for (int bit = 0; bit < 128; bit++) {
        shift_left(&rest, 1);
        high = high << 1 | low >> 63;
        low <<= 1;
        if (!less(&rest, &five)) {
          subtract(&rest, &five);
          low |= 1;
        }
      }
      power_high[-k - POWER_LOW] = high;
      power_low[-k - POWER_LOW] = low;
      power_exponent[-k - POWER_LOW] = -(bits + 127);
    }
    multiply(&five, 5);
  }
  ready = 1;
  for (int k = -64; k < 64; k++) ten_powers[k + 64] = lt_nearest(1, k);
}

static double make_double(uint64_t mantissa, int exponent) { return ldexp((double)mantissa, exponent); }

static void take_double(double x, uint64_t *mantissa, int *exponent) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  int e = (int)(bits >> 52 & 0x7ff);
  *mantissa = (bits & 0xfffffffffffffu) | (e ? 1ull << 52 : 0);
  *exponent = (e ? e : 1) - 1075;
}

/* Find the float64 nearest to digits * 10**k, ties to even; infinite when there is none. */
double lt_nearest(uint64_t digits, int k) {
  if (digits == 0 || k < POWER_LOW) return 0.0;
#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD == 0
  if (digits <= 1ull << 53 && k >= -22 && k <= 22)
    return k < 0 ? (double)digits / tens[-k] : (double)digits * tens[k]; /* both exact, one rounding */
#endif
  if (k > POWER_HIGH) return INFINITY;
  int lead = __builtin_clzll(digits);
  uint64_t normal = digits << lead;
  u128 upper = (u128)normal * power_high[k - POWER_LOW] +
               (((u128)normal * power_low[k - POWER_LOW]) >> 64);
  /* digits * 10**k lies in [upper, upper + 2) * 2**scale. */
  int scale = 64 + power_exponent[k - POWER_LOW] + k - lead;
  int drop = (upper >> 127 ? 128 : 127) - 53;
  int exponent = scale + drop;
  if (exponent < -1074) {
    drop += -1074 - exponent;
    exponent = -1074;
    uint64_t mantissa = drop >= 128 ? 0 : (uint64_t)(upper >> drop);
    int side = compare(digits, k, 2 * mantissa + 1, exponent - 1);
    return make_double(mantissa + (side > 0 || (side == 0 && mantissa & 1)), exponent);
  }
  uint64_t mantissa = (uint64_t)(upper >> drop);
  u128 rest = upper & (((u128)1 << drop) - 1), half = (u128)1 << (drop - 1);
  if (rest == half || rest == half - 1) {
    int side = compare(digits, k, 2 * mantissa + 1, exponent - 1);
    mantissa += side > 0 || (side == 0 && mantissa & 1);
  } else {
    mantissa += rest > half;
  }
  if (mantissa >> 53) mantissa >>= 1, exponent++;
  if (exponent > 971) return INFINITY;
  uint64_t bits = mantissa >> 52 ? ((uint64_t)(exponent + 1075) << 52) + (mantissa - (1ull << 52)) : mantissa;
  double result;
  memcpy(&result, &bits, 8);
  return result;
}

/* Find the shortest numeral that lies in the interval of a float by exact integers: slow, and always right. */
static double shortest_exactly(uint64_t mantissa, int e, int close_below, int most) {
  double x = make_double(mantissa, e);
  int lead = (int)floor(log10(x)), even = !(mantissa & 1);
  for (int places = 1; places <= most + 1; places++) {
    int k = lead - places + 1;
    uint64_t below = (uint64_t)(k >= 0 ? x / lt_nearest(1, k) : x * lt_nearest(1, -k));
    while (below > 0 && compare(below, k, mantissa, e) > 0) below--;
    while (compare(below + 1, k, mantissa, e) <= 0) below++;
    int low_side = close_below ? compare(below, k, 4 * mantissa - 1, e - 2) : compare(below, k, 2 * mantissa - 1, e - 1);
    int high_side = compare(below + 1, k, 2 * mantissa + 1, e - 1);
    int low_fits = low_side > 0 || (low_side == 0 && even), high_fits = high_side < 0 || (high_side == 0 && even);
    if (low_fits && high_fits) {
      int side = compare(2 * below + 1, k, mantissa, e + 1); /* the middle against twice the value */
      if (side < 0 || (side == 0 && below & 1)) below++;
      return lt_nearest(below, k);
    }
    if (low_fits) return lt_nearest(below, k);
    if (high_fits) return lt_nearest(below + 1, k);
  }
  return x; /* never: `most` digits always suffice */
}

/* `x > 0` is mantissa * 2**e; the numerals that read back to it lie within half of 2**e, below a power of two a quarter. */
static double shortest(double x, uint64_t mantissa, int e, int close_below, int least, int most) {
  static const double slack = 1e-5;
  int lead = (int)floor((double)(64 - __builtin_clzll(mantissa) + e - 1) * 0.30102999566398120);
  if (lead < -55 || lead > 55) return shortest_exactly(mantissa, e, close_below, most);
  if (x >= ten_powers[lead + 1 + 64]) lead++;
  int even = !(mantissa & 1);
  for (int places = least; places <= most; places++) {
    int q = places - 1 - lead;
    if (q < 0 && mantissa >> 24 == 0 && e < 0) continue; /* a fraction has that many digits before its point */
    double scaled = q >= 0 ? x * ten_powers[q + 64] : x / ten_powers[-q + 64];
    double half = make_double(1, e - 1);
    half = q >= 0 ? half * ten_powers[q + 64] : half / ten_powers[-q + 64];
    double near = (scaled + 6755399441055744.0) - 6755399441055744.0; /* ties to even */
    double away = fabs(near - scaled), below = close_below ? half / 2 : half;
    double limit = near < scaled ? below : half;
    if (q < 0 || q > 12) { /* else all of this is exact: 24 bits times 5**12 are 52 */
      if (fabs(away - 0.5) < slack || fabs(away - limit) < slack) return shortest_exactly(mantissa, e, close_below, most);
      if (close_below) return shortest_exactly(mantissa, e, close_below, most);
    }
    if (away < limit || (away == limit && even)) return lt_nearest((uint64_t)near, -q);
    /* The interval reaches farther up than down. */
    if (close_below && near < scaled && near + 1 - scaled <= half) return lt_nearest((uint64_t)near + 1, -q);
  }
  return shortest_exactly(mantissa, e, close_below, most);
}

/* Take a float32 as float64 by way of its shortest numeral. */
double lt_shortest32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  int e = (int)(bits >> 23 & 0xff);
  uint32_t fraction = bits & 0x7fffff;
  if (e == 255 || (e == 0 && fraction == 0)) return (double)value;
  double x = fabs((double)value), found;
  if (x < 16777216.0 && x >= 1.0 && x == (double)(uint32_t)x) return (double)value;
  if (e == 0) found = shortest_exactly(fraction, -149, 0, 9);
  else found = shortest(x, fraction | 1u << 23, e - 150, fraction == 0 && e > 1, 6, 9);
  return bits >> 31 ? -found : found;
}

/* The same for a float16, given by its bits. */
double lt_shortest16(uint16_t bits) {
  int e = bits >> 10 & 0x1f;
  uint64_t fraction = bits & 0x3ff;
  double found;
  if (e == 31) found = fraction ? NAN : INFINITY;
  else if (e == 0 && fraction == 0) found = 0;
  else if (e == 0) found = shortest_exactly(fraction, -24, 0, 5);
  else {
    uint64_t mantissa = fraction | 1u << 10;
    found = shortest_exactly(mantissa, e - 25, fraction == 0 && e > 1, 5);
  }
  return bits >> 15 ? -found : found;
}

/* Tell whether digits * 10**k is the shortest numeral of the float64 nearest to it. */
static int is_shortest(uint64_t digits, int k, double x) {
  uint64_t mantissa;
  int e;
  if (lt_nearest(digits / 10, k + 1) == x || lt_nearest(digits / 10 + 1, k + 1) == x) return 0;
  take_double(x, &mantissa, &e);
  int above = compare(2 * digits + 1, k, mantissa, e + 1), below = compare(2 * digits - 1, k, mantissa, e + 1);
  if ((above < 0 || (above == 0 && digits & 1)) && lt_nearest(digits + 1, k) == x) return 0;
  if ((below > 0 || (below == 0 && digits & 1)) && lt_nearest(digits - 1, k) == x) return 0;
  return 1;
}

int lt_decimal(const uint64_t *limbs, int count, int negative, int scale, uint64_t *value, uint8_t *text,
               uint32_t *length) {
  static const uint64_t step = 10000000000000000000u; /* 10**19 */
  uint64_t rest[4] = {0}, parts[5];
  int used = count, many = 0, k = -scale;
  memcpy(rest, limbs, 8 * (size_t)count);
  while (used > 0 && rest[used - 1] == 0) used--;
  if (used == 0) {
    *value = 0;
    return T_INT;
  }
  if (used == 1 && rest[0] < step) {
    parts[many++] = rest[0];
  } else {
    while (used > 0) { /* 19 digits at a time, the last first */
      u128 left = 0;
      for (int i = used - 1; i >= 0; i--) {
        left = left << 64 | rest[i];
        rest[i] = (uint64_t)(left / step);
        left %= step;
      }
      parts[many++] = (uint64_t)left;
      while (used > 0 && rest[used - 1] == 0) used--;
    }
  }
  uint8_t digits[96];
  int size = 0;
  if (many == 1) {
    uint64_t only = parts[0];
    while (only % 10 == 0) only /= 10, k++;
    uint64_t power = 1;
    int fits = k >= 0 && k < 19;
    for (int i = 0; fits && i < k; i++) power *= 10;
    if (fits && (u128)only * power <= (u128)INT64_MAX + (unsigned)negative) {
      uint64_t whole_value = only * power;
      *value = negative ? 0 - whole_value : whole_value;
      return T_INT;
    }
    if (only < 100000000000000000u) { /* 17 digits: longer ones are never the shortest */
      double x = lt_nearest(only, k);
      int normal = x >= 2.2250738585072014e-308 && x <= 1.7976931348623157e308;
      /* Numerals of up to 15 digits are each the shortest of a float64 of their own. */
      if (x > 0 && x <= 1.7976931348623157e308 &&
          ((normal && only < 1000000000000000u) || is_shortest(only, k, x))) {
        if (negative) x = -x;
        memcpy(value, &x, 8);
        return T_FLT;
      }
    }
    uint8_t turned[20];
    for (; only; only /= 10) turned[size++] = (uint8_t)('0' + only % 10);
    for (int i = 0; i < size; i++) digits[i] = turned[size - 1 - i];
  } else {
    for (int part = many - 1; part >= 0; part--) {
      uint8_t turned[19];
      uint64_t left = parts[part];
      int from = 0;
      for (int i = 18; i >= 0; i--, left /= 10) turned[i] = (uint8_t)('0' + left % 10);
      if (part == many - 1)
        while (from < 18 && turned[from] == '0') from++;
      memcpy(digits + size, turned + from, (size_t)(19 - from));
      size += 19 - from;
    }
    while (digits[size - 1] == '0') size--, k++;
    if (size <= 19) { /* few digits, many zeros */
      uint64_t few = 0;
      for (int i = 0; i < size; i++) few = 10 * few + (uint64_t)(digits[i] - '0');
      return lt_decimal(&few, 1, negative, -k, value, text, length);
    }
  }
  uint8_t *to = text;
  if (negative) *to++ = '-';
  memcpy(to, digits, (size_t)size);
  to += size;
  *to++ = 'E';
  if (k < 0) *to++ = '-';
  uint8_t turned[12];
  int places = 0;
  unsigned exponent = (unsigned)(k < 0 ? -k : k);
  do turned[places++] = (uint8_t)('0' + exponent % 10), exponent /= 10;
  while (exponent);
  while (places) *to++ = turned[--places];
  *length = (uint32_t)(to - text);
  return T_DEC;
}

LT_EXPORT double lt_try_nearest(uint64_t digits, int k) { return lt_nearest(digits, k); }
LT_EXPORT double lt_try_shortest32(float value) { return lt_shortest32(value); }
LT_EXPORT double lt_try_shortest16(uint16_t bits) { return lt_shortest16(bits); }
